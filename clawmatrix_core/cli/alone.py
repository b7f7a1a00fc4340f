"""A command that is found without loading every plugin: that of the plugin with its name.

Programs start some commands, ``clawmatrix mcp`` above all, and wait for them. A plugin that comes
with ClawMatrix has its command before any other, so no other needs to be asked.
"""

from __future__ import annotations

import tomllib
from importlib import metadata
from typing import TYPE_CHECKING

from clawmatrix_core.base.errors import ClawMatrixError
from clawmatrix_core.loading.discovery import GROUP, is_built_in, missing_extra, other_version

if TYPE_CHECKING:
    import click

    from clawmatrix_core.cli.context import Settings

__all__ = ["command_alone"]


def command_alone(name: str, settings: Settings) -> click.Command | None:
    """Return the command of the built-in plugin of this name.

    None where there is no such plugin or the configuration leaves it out, and where anything is
    wrong: who loads all plugins then finds out, and says what.
    """
    try:
        entry = next(iter(metadata.entry_points(group=GROUP, name=name)), None)
        if entry is None or not is_built_in(entry) or missing_extra(entry) or other_version(entry):
            return None
        if not _chooses(settings, name):
            return None
        commands = entry.load()().register_commands()
        return next((one for one in commands if one.name == name), None)
    except Exception:  # noqa: BLE001 - loading all plugins names the fault, and its plugin
        return None


def _chooses(settings: Settings, name: str) -> bool:
    try:
        raw = tomllib.loads(settings.config_file().read_text())
    except (ClawMatrixError, OSError):
        return True  # without a configuration all built-in plugins have their commands
    chosen, off = raw.get("plugins"), raw.get("disable", [])
    return (chosen is None or name in chosen) and name not in off
