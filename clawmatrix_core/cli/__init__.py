"""The command ``clawmatrix``, and what plugins build their commands from.

The names here are public; each is imported when it is first used. Start reading with ``shell``,
which finds and runs a command. Most other modules are a command each. ``context`` has the options
that all commands share, ``control_client`` asks the running node, and ``progress`` shows how far
something is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.base.lazy import lazy_names

if TYPE_CHECKING:
    from clawmatrix_core.cli.config import problems_of
    from clawmatrix_core.cli.context import (
        CommandError,
        ExitCode,
        Settings,
        echo_json,
        pass_settings,
        printable,
    )
    from clawmatrix_core.cli.control_client import ControlError, NotRunning, call, stream
    from clawmatrix_core.cli.progress import Progress
    from clawmatrix_core.cli.rewriting import rewrite_config
    from clawmatrix_core.cli.shell import cli, execute, main
    from clawmatrix_core.config.template import toml_value

__all__ = [
    "CommandError",
    "ControlError",
    "ExitCode",
    "NotRunning",
    "Progress",
    "Settings",
    "call",
    "cli",
    "echo_json",
    "execute",
    "main",
    "pass_settings",
    "printable",
    "problems_of",
    "rewrite_config",
    "stream",
    "toml_value",
]

_HOMES = {
    "clawmatrix_core.cli.config": ("problems_of",),
    "clawmatrix_core.cli.context": (
        "CommandError",
        "ExitCode",
        "Settings",
        "echo_json",
        "pass_settings",
        "printable",
    ),
    "clawmatrix_core.cli.control_client": ("ControlError", "NotRunning", "call", "stream"),
    "clawmatrix_core.cli.progress": ("Progress",),
    "clawmatrix_core.cli.rewriting": ("rewrite_config",),
    "clawmatrix_core.cli.shell": ("cli", "execute", "main"),
    "clawmatrix_core.config.template": ("toml_value",),
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
