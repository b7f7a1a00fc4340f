"""The command ``clawmatrix``, and what plugins build their commands from.

The names here are public; each is imported when it is first used. Start reading with ``shell``,
which finds and runs a command. Most other modules are a command each. ``context`` has the options
that all commands share, ``control_client`` asks the running node, and ``progress`` shows how far
something is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from clawmatrix_core.cli.shell import cli, execute, main

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
    "stream",
]

_HOMES = {
    "context": ("CommandError", "ExitCode", "Settings", "echo_json", "pass_settings", "printable"),
    "control_client": ("ControlError", "NotRunning", "call", "stream"),
    "progress": ("Progress",),
    "shell": ("cli", "execute", "main"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
