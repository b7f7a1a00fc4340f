"""What is wrong with commands of plugins: a node does not know them, the command line does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_core.cli.context import load_plugins
from clawmatrix_core.cli.shell import OWN_COMMANDS
from clawmatrix_core.doctor.own_checks import look_at_names
from clawmatrix_core.loading.contributions import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from clawmatrix_core.config.config import Config
    from clawmatrix_core.loading.plugin_info import PluginInfo

__all__ = ["add_to_entries", "look_at_commands"]


def look_at_commands(config: Config, known: Collection[Finding] = ()) -> list[Finding]:
    """Return a warning for each collision of commands, and for other problems of commands.

    ``known`` are findings of the node, which are not repeated.
    """
    infos = _troubled(config)
    found = [*look_at_names(infos), *_faults(infos)]
    return [one for one in found if not any(_says(other, one) for other in known)]


def _says(one: Finding, other: Finding) -> bool:
    return one.name == other.name and other.detail in one.detail


def _faults(infos: Collection[PluginInfo]) -> Iterator[Finding]:
    for info in infos:
        if info.last_fault:
            advice = "tell who wrote the plugin; its other commands work"
            yield Finding(f"plugin.{info.name}", "warning", info.last_fault, advice)


def add_to_entries(config: Config | None, entries: Collection[dict[str, Any]]) -> None:
    """Add the problems of commands to the entries of ``plugins list``."""
    troubled: Mapping[str, PluginInfo] = {info.name: info for info in _troubled(config)}
    for entry in entries:
        info = troubled.get(entry["name"])
        if info is None:
            continue
        if words := dict.fromkeys((*entry.get("collisions", ()), *info.collisions)):
            entry["collisions"] = list(words)
        if info.faults and "register_commands" not in str(entry.get("lastFault")):
            entry["faults"] = entry.get("faults", 0) + info.faults
            entry["lastFault"] = info.last_fault


def _troubled(config: Config | None) -> list[PluginInfo]:
    registry = load_plugins(config)
    registry.commands(OWN_COMMANDS)
    return [info for info in registry.list() if info.collisions or info.faults]
