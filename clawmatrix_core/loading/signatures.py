"""The signatures of specifications: which can be called, and whether a call of one is right.

What is wrong with a call is an error of the caller, before any implementation runs: no plugin
that implements the hook is to blame for it.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

from clawmatrix_core.base.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core.loading.specs import HookSpecs

__all__ = ["arguments_of", "unmarked", "wrong_signature"]

_NAMED = inspect.Parameter.POSITIONAL_OR_KEYWORD


def unmarked(namespace: object, name: str, mark: str) -> None:
    """Put a mark that stands on a ``staticmethod`` or ``classmethod`` on the function inside.

    So ``@hookspec`` and ``@hookimpl`` may stand above ``@staticmethod`` or below it: pluggy looks
    at the function alone.
    """
    found = inspect.getattr_static(namespace, name, None)
    if isinstance(found, staticmethod | classmethod) and hasattr(found, mark):
        function = found.__func__
        if not hasattr(function, mark):
            setattr(function, mark, getattr(found, mark))


def wrong_signature(namespace: object, name: str, function: Callable[..., Any]) -> str | None:
    """Say why nobody could call a specification of a plugin, None where anybody can."""
    parameters = list(inspect.signature(function).parameters.values())
    if inspect.isclass(namespace) and parameters and parameters[0].name == "self":
        return f"{name} takes self, and a class gives it none: write @staticmethod above @hookspec"
    if not parameters or parameters[0].kind is not _NAMED:
        return f"{name} needs a first parameter, which is the node"
    for parameter in parameters:
        if parameter.kind is not _NAMED or parameter.default is not parameter.empty:
            return f"{name}({parameter}): parameters are plain names, without defaults"
    return None


def arguments_of(
    specs: HookSpecs,
    verb: str,
    spec: Callable[..., object],
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
) -> dict[str, Any]:
    """Return the arguments of a call of a hook, by name.

    Raises: LocalProtocolError, where no plugin specifies the hook, or it is called in another way.
        TypeError, where an argument is missing or there is one too many.
    """
    name = getattr(spec, "__name__", repr(spec))
    known = specs.get(name)
    if known is None:
        raise LocalProtocolError(
            f"no plugin that is loaded specifies the hook {name}: its owner has to be among the"
            " plugins of the node"
        )
    if known.function != spec:
        raise LocalProtocolError(
            f"the hook {name} belongs to {known.owner}, which specifies it with another function"
        )
    if verb not in known.verbs:
        raise LocalProtocolError(
            f"the hook {name} is called with {known.verbs[0]}, not with {verb}"
        )
    return _signature(spec).bind(*args, **kwargs).arguments


@cache
def _signature(spec: Callable[..., object]) -> inspect.Signature:
    return inspect.signature(spec)
