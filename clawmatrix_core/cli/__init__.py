"""The command ``clawmatrix``, and what plugins build their commands from.

Start with ``shell``, which finds and runs a command. Most other modules are a command each.
``context`` has the options that all commands share, and ``control_client`` asks the running
node.
"""

from __future__ import annotations

from clawmatrix_core.cli.shell import cli, execute, main

__all__ = ["cli", "execute", "main"]
