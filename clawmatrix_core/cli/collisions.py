"""Commands of plugins that share a name: a node does not know them, the command line does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.cli.context import load_plugins
from clawmatrix_core.cli.shell import OWN_COMMANDS
from clawmatrix_core.doctor.own_checks import look_at_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clawmatrix_core.config.config import Config
    from clawmatrix_core.kernel.contributions import Finding

__all__ = ["command_collisions", "look_at_commands"]


def command_collisions(config: Config | None) -> Mapping[str, Sequence[str]]:
    """Return the collisions of commands, in words, for each plugin that has a part in one."""
    registry = load_plugins(config)
    registry.commands(OWN_COMMANDS)
    return {info.name: info.collisions for info in registry.list() if info.collisions}


def look_at_commands(config: Config) -> list[Finding]:
    """Return a warning for each collision of commands."""
    registry = load_plugins(config)
    registry.commands(OWN_COMMANDS)
    return list(look_at_names(registry.list()))
