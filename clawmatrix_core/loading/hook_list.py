"""Every hook with its owner and its implementations, as ``clawmatrix plugins hooks`` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import hookspecs
from clawmatrix_core.loading.specs import CORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.loading.manager import PluginManager

__all__ = ["hooks_json"]


def hooks_json(manager: PluginManager, working: Sequence[str]) -> list[JSON]:
    """Return an object for each hook: the core's, then those of plugins, in order of loading.

    ``plugins`` are those that implement the hook, in the order in which they are called.
    ``called`` is false where the hook's owner does not work here, so that nobody calls it.

    Args:
        manager: the specifications and the plugins that are loaded.
        working: the names of the plugins that work, in order of loading.
    """
    return [
        {
            "name": spec.name,
            "owner": spec.owner,
            "kind": spec.kind,
            "async": spec.is_async,
            "called": spec.owner == CORE or spec.owner in working,
            "plugins": _in_order(manager, spec.name, working),
        }
        for spec in manager.specs
    ]


def _in_order(manager: PluginManager, hook: str, working: Sequence[str]) -> list[str]:
    names = [impl.plugin_name for impl in manager.calling_order(hook)]
    if hook == hookspecs.start_plugin.__name__:  # one after the other, as they were loaded
        return [name for name in working if name in names]
    return names
