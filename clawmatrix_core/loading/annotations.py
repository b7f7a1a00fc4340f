"""Whether the annotations of an implementation fit the specification of its hook.

Annotations are read as they stand in the source: as strings, with names that only type checkers
import. A parameter without an annotation always fits.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core.loading.fitting import fits, in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from clawmatrix_core.loading.manager import PluginManager
    from clawmatrix_core.loading.specs import HookSpec

__all__ = ["Misfit", "misfits", "misfits_of_plugin"]

_RETURN = "return"


@attrs.frozen
class Misfit:
    """An annotation that is not what the hook's specification says.

    Attributes:
        where: the hook and the parameter: ``frame_received(frame)``.
        detail: what is wrong, in words.
        resolved: false where the annotation could not be resolved, so that nobody can tell.
    """

    where: str
    detail: str
    resolved: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"


def misfits_of_plugin(manager: PluginManager, plugin: str) -> Sequence[Misfit]:
    """Return what is wrong with the annotations of a loaded plugin's implementations."""
    return [
        misfit
        for spec in manager.specs
        for impl in manager.calling_order(spec.name)
        if impl.plugin_name == plugin
        for misfit in misfits(spec, impl.function)
    ]


def misfits(spec: HookSpec, function: Callable[..., Any]) -> Sequence[Misfit]:
    """Return where an implementation's annotations do not fit the specification of its hook.

    A parameter may have a wider type than the hook gives, a result a narrower one than it wants.
    """
    specified = _Annotations(spec.function)
    written = _Annotations(function)
    found = [
        _misfit(spec.name, name, specified, written)
        for name in written.texts
        if name in specified.texts
    ]
    return [misfit for misfit in found if misfit is not None]


def _misfit(hook: str, name: str, specified: _Annotations, written: _Annotations) -> Misfit | None:
    where = f"{hook}({name})"
    try:
        wanted = specified.resolve(name)
    except Exception:  # noqa: BLE001 - the specification is another's, and its own tests are for it
        return None
    try:
        annotated = written.resolve(name)
    except Exception as error:  # noqa: BLE001 - evaluating an annotation may raise anything
        why = f"the annotation {written.texts[name]} cannot be resolved: {error}"
        return Misfit(where, why, resolved=False)
    if name == _RETURN:
        verb, right = "wants", fits(annotated, wanted)
    else:
        verb, right = "gives", fits(wanted, annotated)
    if right:
        return None
    words = in_words(annotated, wanted), in_words(wanted, annotated)
    return Misfit(where, f"annotated {words[0]}, the hook {verb} {words[1]}")


class _Annotations:
    """The annotations of one function, each resolved by itself.

    Attributes:
        texts: the annotations as they stand in the source, by parameter, and ``return``.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        signature = inspect.signature(function)
        taken = {name: param.annotation for name, param in signature.parameters.items()}
        taken[_RETURN] = signature.return_annotation
        self.texts = {k: v for k, v in taken.items() if v is not inspect.Signature.empty}
        self._home = inspect.unwrap(function)

    def resolve(self, name: str) -> Any:
        """Return the type of a parameter. Raises: what evaluating its annotation raises."""
        names: dict[str, Any] = dict(getattr(self._home, "__globals__", {}))
        names.update(_only_checked(names, str(self.texts[name])))

        def holder() -> None: ...

        holder.__annotations__ = {name: self.texts[name]}
        return typing.get_type_hints(holder, names, names)[name]


def _only_checked(names: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return the names in an annotation that its module imports for type checkers only."""
    file = names.get("__file__")
    imports = _checked_imports(file) if isinstance(file, str) else {}
    found: dict[str, Any] = {}
    for name in dict.fromkeys(re.findall(r"\w+", text)):
        if name in imports and name not in names:
            exec("\n".join(imports[name]), {"__package__": names.get("__package__")}, found)
    return found


@functools.cache
def _checked_imports(file: str) -> Mapping[str, Sequence[str]]:
    """Return the imports that stand below ``if TYPE_CHECKING``, by the name that they bind."""
    try:
        tree = ast.parse(Path(file).read_text())
    except (OSError, ValueError, SyntaxError):
        return {}
    found: dict[str, list[str]] = {}
    for block in ast.walk(tree):
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING"):
            for statement in block.body:
                for name, line in _one_by_one(statement):
                    found.setdefault(name, []).append(line)
    return found


def _one_by_one(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """Yield each name that an import binds, with an import of that name alone."""
    if isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            alone: ast.stmt = ast.ImportFrom(statement.module, [alias], statement.level)
            yield alias.asname or alias.name, ast.unparse(alone)
    elif isinstance(statement, ast.Import):
        for alias in statement.names:
            bound = alias.asname or alias.name.partition(".")[0]
            yield bound, ast.unparse(ast.Import([alias]))
