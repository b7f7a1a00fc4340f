"""The plugin manager of one node: pluggy's, with the rules of ClawMatrix."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pluggy

from clawmatrix_core import hookspecs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PROJECT", "SPECS", "PluginManager"]

PROJECT = "clawmatrix"

SPECS = {name: spec for name, spec in vars(hookspecs).items() if hasattr(spec, "clawmatrix_spec")}
"""Every hook there is, by name."""


class PluginManager(pluggy.PluginManager):
    """A pluggy manager that also checks that sync and async fit the specification."""

    def __init__(self) -> None:
        super().__init__(PROJECT)
        self.add_hookspecs(hookspecs)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """Refuse an implementation whose colour is not its specification's."""
        options = super().parse_hookimpl_opts(plugin, name)
        if options is None:
            return None
        hook = options.get("specname") or name
        spec = SPECS.get(hook)
        if spec is None:
            return options
        if options.get("wrapper") or options.get("hookwrapper"):
            raise pluggy.PluginValidationError(plugin, f"hook {hook!r} takes no wrappers")
        function = inspect.unwrap(getattr(plugin, name))
        wants_async = inspect.iscoroutinefunction(spec)
        if inspect.iscoroutinefunction(function) != wants_async:
            colour = "an async def" if wants_async else "a plain def"
            raise pluggy.PluginValidationError(plugin, f"hook {hook!r} must be {colour}")
        return options

    def unknown_hooks(self, plugin: object) -> Sequence[str]:
        """Return the names of implementations that fit no hook and are not optional."""
        found = []
        for name in dir(plugin):
            options = super().parse_hookimpl_opts(plugin, name)
            if options is None or options.get("optionalhook"):
                continue
            hook = options.get("specname") or name
            if hook not in SPECS:
                found.append(hook)
        return found
