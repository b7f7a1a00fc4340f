"""Specifications of hooks: those of the core, and those that plugins bring."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from clawmatrix_core import hookspecs
from clawmatrix_core.base.dispatch import DISPATCH
from clawmatrix_core.loading.signatures import move_marks, wrong_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["CORE", "HookKind", "HookSpec", "HookSpecs"]

CORE = "core"
"""The owner of the core's hooks."""

HookKind: TypeAlias = Literal["collect", "notify", "first", "every", "demand", "frame"]

_MARK = "clawmatrix_spec"
_FRAME_HOOKS = frozenset({"frame_received", "transit_received"})


class HookSpec(msgspec.Struct, frozen=True):
    """The specification of one hook.

    Attributes:
        name: the name of the hook.
        owner: the plugin that calls it, or ``core``.
        kind: how it is dispatched.
        function: the function that specifies its parameters.
    """

    name: str
    owner: str
    kind: HookKind
    function: Callable[..., Any]

    @property
    def is_async(self) -> bool:
        """Whether implementations are ``async def``."""
        return inspect.iscoroutinefunction(self.function)

    @property
    def verbs(self) -> Sequence[str]:
        """What it may be called with, of the methods of ``Dispatcher``; the usual one first."""
        if self.is_async:
            return (self.kind, "one")
        return ("ask",) if self.kind == "first" else (self.kind,)


class HookSpecs:
    """Every hook that plugins may implement, by name. Each has one owner."""

    def __init__(self) -> None:
        self._specs: dict[str, HookSpec] = {}
        self.add(CORE, hookspecs)

    def __iter__(self) -> Iterator[HookSpec]:
        return iter(self._specs.values())

    def __contains__(self, name: object) -> bool:
        return name in self._specs

    def get(self, name: str) -> HookSpec | None:
        """Return the specification of a hook, None for an unknown name."""
        return self._specs.get(name)

    def add(self, owner: str, namespace: object) -> Sequence[HookSpec]:
        """Add the hooks that a module or an object specifies, and return those that are new.

        An owner may name the same functions twice: a plugin that is installed is also passed in
        as an object, as tests do. They are not new then.

        What a class inherits counts too.

        Raises: ValueError, where it specifies none, one that has an owner already, or one that
            nobody could call, or the owner calls itself as the core. None of its hooks is added
            then.
        """
        if owner == CORE and CORE in (spec.owner for spec in self):
            raise ValueError(f"no plugin can be called {CORE!r}")
        found = _specified(owner, namespace)
        if not found:
            raise ValueError("specifies no hooks")
        if all(self._specs.get(spec.name) == spec for spec in found):
            return ()
        for spec in found:
            if owner != CORE and (wrong := wrong_signature(namespace, spec.name, spec.function)):
                raise ValueError(f"specifies the hook {wrong}")
            if (other := self._specs.get(spec.name)) is not None:
                raise ValueError(f"specifies the hook {spec.name}, {_whose(other, owner)}")
        self._specs |= {spec.name: spec for spec in found}
        return found


def _specified(owner: str, namespace: object) -> list[HookSpec]:
    found = []
    move_marks(namespace, _MARK)
    for name in _names(namespace):
        value = getattr(namespace, name)
        if hasattr(value, _MARK):
            found.append(HookSpec(name, owner, _kind(name, value), value))
    return found


def _whose(taken: HookSpec, owner: str) -> str:
    if taken.owner == owner:
        return f"which {owner} has already, from {taken.function.__module__}"
    return f"which belongs to {taken.owner}"


def _names(namespace: object) -> Iterable[str]:
    """Return what pluggy looks at, in the order of the source as far as there is one."""
    names = dir(namespace)
    own = [name for name in getattr(namespace, "__dict__", {}) if name in names]
    return dict.fromkeys((*own, *names))


def _kind(name: str, function: Any) -> HookKind:
    if function.clawmatrix_spec["firstresult"]:
        return "first"
    if (told := getattr(function, DISPATCH, None)) is not None:
        kind: HookKind = told
        return kind
    if inspect.iscoroutinefunction(function):
        return "notify"
    return "frame" if name in _FRAME_HOOKS else "collect"
