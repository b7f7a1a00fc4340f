"""Plugins whose commands go wrong."""

from __future__ import annotations

from typing import Any

import click

from clawmatrix_core import hookimpl


class CommandsRaise:
    @hookimpl
    def register_commands(self) -> Any:
        raise RuntimeError("no beak")


class CommandsOdd:
    @hookimpl
    def register_commands(self) -> Any:
        return [print, click.Command(None)]


@click.command("deliver")
def deliver() -> None:
    """Fail."""
    raise RuntimeError("the letter is wet")


class CommandFails:
    @hookimpl
    def register_commands(self) -> Any:
        return [deliver]
