"""Every hook with its owner and its implementations, as ``clawmatrix plugins hooks`` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.loading.specs import CORE

if TYPE_CHECKING:
    from collections.abc import Collection

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.loading.manager import PluginManager

__all__ = ["hooks_json"]


def hooks_json(manager: PluginManager, working: Collection[str]) -> list[JSON]:
    """Return an object for each hook: the core's, then those of plugins, in order of loading.

    ``plugins`` are those that implement the hook, in the order in which they are called.
    ``called`` is false where the hook's owner does not work here, so that nobody calls it.

    Args:
        manager: the specifications and the plugins that are loaded.
        working: the names of the plugins that work.
    """
    return [
        {
            "name": spec.name,
            "owner": spec.owner,
            "kind": spec.kind,
            "async": spec.is_async,
            "called": spec.owner == CORE or spec.owner in working,
            "plugins": [impl.plugin_name for impl in manager.calling_order(spec.name)],
        }
        for spec in manager.specs
    ]
