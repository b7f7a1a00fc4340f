"""Any error, as lines for standard error and an exit code."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import click

from clawmatrix_core.base.errors import (
    ClawMatrixError,
    ConfigError,
    NewerStateError,
    StartError,
    StateError,
)
from clawmatrix_core.cli.context import CommandError, ExitCode
from clawmatrix_core.cli.control_client import ControlError, NotRunning

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["describe"]


def describe(error: BaseException, plugin: str | None = None) -> tuple[int, list[str]]:
    """Return the exit code of an error and what to tell the user, line by line.

    ``plugin`` is the third party's plugin whose command raised it, None for other commands.
    """
    if isinstance(error, BaseExceptionGroup):
        found = [describe(leaf, plugin) for leaf in _leaves(error)]
        return found[0][0], list(dict.fromkeys(line for _, lines in found for line in lines))
    match error:
        case click.UsageError():
            return ExitCode.CONFIG, [_usage(error)]
        case click.ClickException():
            return error.exit_code, [error.format_message()]
        case ConfigError():
            return ExitCode.CONFIG, list(error.problems)
        case NewerStateError():
            return ExitCode.NEWER_STATE, [str(error)]
        case StateError():
            return ExitCode.IN_USE, [str(error)]
        case StartError() | CommandError():
            return error.exit_code, [_named(error)]
        case NotRunning():
            return ExitCode.NOT_RUNNING, [str(error)]
        case ClawMatrixError():
            wrong_usage = isinstance(error, ControlError) and error.code == "bad_params"
            return ExitCode.CONFIG if wrong_usage else ExitCode.FAILURE, [str(error)]
        case OSError() if error.errno == errno.EADDRINUSE:
            return ExitCode.ADDRESS_IN_USE, [str(error)]
        case OSError():
            return ExitCode.FAILURE, [str(error)]
        case _:
            what = f"{type(error).__name__}: {error}".removesuffix(": ")
            whose = "internal error" if plugin is None else f"plugin {plugin}"
            return ExitCode.FAILURE, [f"{whose}: {what} (-vv shows where)"]


def _named(error: StartError | CommandError) -> str:
    """Return the words of an error, with the plugin that has raised it before them."""
    plugin = error.plugin if isinstance(error, StartError) else ""
    return str(error) if plugin in str(error) else f"plugin {plugin}: {error}"


def _usage(error: click.UsageError) -> str:
    message = error.format_message().rstrip(".")
    if error.ctx is None:
        return message
    return f"{message} (see `{error.ctx.command_path} --help`)"


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
