"""The hooks of the core and of the built-in plugins, for the tests that hold them to the docs."""

from __future__ import annotations

from clawmatrix_core.kernel.registry import PluginRegistry


def built_in() -> PluginRegistry:
    """Return the built-in plugins, loaded."""
    registry = PluginRegistry()
    registry.load()
    return registry


HOOKS = {spec.name: spec for spec in built_in().manager.specs}
SPECS = {name: spec.function for name, spec in HOOKS.items()}
