"""Why something that a plugin brings is not there: the plugin failed, or is not in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from clawmatrix_core.loading.plugin_info import PluginInfo

__all__ = ["not_usable", "why_absent"]


def why_absent(infos: Iterable[PluginInfo], name: str) -> str:
    """Return why a plugin's method or command may be missing, as "; ..." or an empty text.

    Args:
        infos: the plugins that there are.
        name: what was asked for: ``dice.rolls``. The plugin of that name, or of what stands
            before the dot, is named first; else every plugin that has failed.
    """
    known = list(infos)
    own = [info for info in known if info.name in (name, name.partition(".")[0])]
    found = [info for info in own if info.state != "active"]
    found = found or [info for info in known if info.state == "failed"]
    if not found:
        return ""
    told = "; ".join(f"the plugin {info.name} {_state(info)}: {info.reason}" for info in found)
    return f"; {told} (see `clawmatrix plugins list`)"


def not_usable(infos: Iterable[PluginInfo], named: Container[object]) -> Sequence[str]:
    """Return the mistake of each plugin that a configuration names and that cannot be used."""
    return [
        f'plugins: "{info.name}": {info.reason}'
        for info in infos
        if info.state in ("failed", "not installed") and info.name in named
    ]


def _state(info: PluginInfo) -> str:
    return "has failed" if info.state == "failed" else f"is {info.state}"
