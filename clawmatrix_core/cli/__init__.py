"""The command ``clawmatrix``, and what commands of plugins are built from."""

from __future__ import annotations

from clawmatrix_core.cli.shell import cli, execute, main

__all__ = ["cli", "execute", "main"]
