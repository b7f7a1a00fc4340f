"""Any error, as lines for standard error and an exit code."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import click

from clawmatrix_core.base.errors import ClawMatrixError, ConfigError, StartError
from clawmatrix_core.base.text import NOT_UTF8, has_surrogates
from clawmatrix_core.cli.context import ExitCode

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
            return ExitCode.CONFIG, [line for one in error.problems for line in one.splitlines()]
        case StartError():
            return error.exit_code, [_named(error)]
        case ClawMatrixError():
            return error.exit_code, [str(error)]
        case UnicodeEncodeError() if has_surrogates(error.object):
            # The text may hold a secret, so it is not shown.
            return ExitCode.CONFIG, [f"an argument or a variable {NOT_UTF8}"]
        case OSError() if error.errno == errno.EADDRINUSE:
            return ExitCode.ADDRESS_IN_USE, [str(error)]
        case OSError():
            return ExitCode.FAILURE, [str(error)]
        case _:
            what = f"{type(error).__name__}: {error}".removesuffix(": ")
            whose = "internal error" if plugin is None else f"plugin {plugin}"
            return ExitCode.FAILURE, [f"{whose}: {what} (-vv shows where)"]


def _named(error: StartError) -> str:
    """Return the words of an error, with the plugin that has raised it before them."""
    named = error.plugin in str(error)
    return str(error) if named else f"plugin {error.plugin}: {error}"


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
