"""The plugin manager of one node: pluggy's, with the rules of ClawMatrix."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeAlias

import pluggy

from clawmatrix_core import hookspecs
from clawmatrix_core.loading.reserved import wrong_frame_types
from clawmatrix_core.loading.signatures import move_marks
from clawmatrix_core.loading.specs import CORE, HookSpecs
from clawmatrix_core.loading.tracing import TracedImpl, is_tracing, traced

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from types import ModuleType

__all__ = ["PROJECT", "Implementation", "PluginManager"]

Implementation: TypeAlias = pluggy.HookImpl | TracedImpl
"""What a plugin implements a hook with: ``plugin_name``, ``argnames`` and ``function``."""

PROJECT = "clawmatrix"
_MARK = f"{PROJECT}_impl"


class PluginManager(pluggy.PluginManager):
    """A pluggy manager that also checks that sync and async fit the specification.

    Attributes:
        specs: every hook there is.
    """

    def __init__(self) -> None:
        super().__init__(PROJECT)
        self.specs = HookSpecs()
        self._tracing = is_tracing()
        self.add_hookspecs(hookspecs)

    def add_specs(self, owner: str, namespace: ModuleType | type) -> None:
        """Add the hooks of a plugin. Raises: ValueError, see ``HookSpecs.add``."""
        if self.specs.add(owner, namespace):
            self.add_hookspecs(namespace)

    def calling_order(self, hook: str) -> Sequence[Implementation]:
        """Return the implementations of a hook, in the order in which they are called.

        Each call of one is logged, where the component ``hooks`` was logged at ``debug`` when
        the manager was made.
        """
        caller: pluggy.HookCaller = getattr(self.hook, hook)
        impls = caller.get_hookimpls()[::-1]  # pluggy lists the last one first
        return [traced(hook, impl) for impl in impls] if self._tracing else impls

    def register(self, plugin: object, name: str | None = None) -> str | None:
        """Register a plugin, as pluggy does; ``@hookimpl`` may stand above ``@staticmethod``."""
        move_marks(plugin, _MARK)
        return super().register(plugin, name)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """Refuse an implementation whose colour is not its specification's."""
        if name.startswith("__"):  # pluggy looks at all attributes, of which these are most
            return None
        options = super().parse_hookimpl_opts(plugin, name)
        if options is None:
            return None
        hook = options.get("specname") or name
        spec = self.specs.get(hook)
        if spec is None:
            return options
        if options.get("wrapper") or options.get("hookwrapper"):
            raise pluggy.PluginValidationError(plugin, f"hook {hook!r} takes no wrappers")
        function = inspect.unwrap(getattr(plugin, name))
        if inspect.iscoroutinefunction(function) != spec.is_async:
            colour = "an async def" if spec.is_async else "a plain def"
            raise pluggy.PluginValidationError(plugin, f"hook {hook!r} must be {colour}")
        return options

    def misfits(
        self, name: str, plugin: object, extends: Collection[str], known: Collection[str] = ()
    ) -> str | None:
        """Say which hooks a plugin must not implement, None where there is no such hook.

        A hook of another plugin needs that plugin's name in ``extends``. A hook without a
        specification is allowed where the implementation is marked as optional, and where a
        plugin in ``extends`` is not here, or cannot say which hooks it has. ``known`` are the
        plugins of which all hooks are known, though it may be that there are none.
        """
        owners = {CORE, name, *known, *(spec.owner for spec in self.specs)}
        lenient = any(owner not in owners for owner in extends)
        unknown, foreign = [], []
        for hook, optional, function in self._implemented(plugin):
            if wrong := wrong_frame_types(function):
                return f"wants frames that no plugin gets: {wrong}"
            spec = self.specs.get(hook)
            if spec is None and not (optional or lenient):
                unknown.append(hook)
            elif spec is not None and spec.owner not in (CORE, name, *extends):
                foreign.append(f"{hook} of {spec.owner}")
        if unknown:
            return f"implements hooks that do not exist: {', '.join(unknown)}"
        if foreign:
            return f"implements hooks of plugins that it does not extend: {', '.join(foreign)}"
        return None

    def _implemented(self, plugin: object) -> Iterator[tuple[str, bool, object]]:
        move_marks(plugin, _MARK)
        for name in dir(plugin):
            if name.startswith("__"):
                continue
            options = super().parse_hookimpl_opts(plugin, name)
            if options is not None:
                hook, optional = options.get("specname") or name, bool(options.get("optionalhook"))
                yield hook, optional, getattr(plugin, name)
