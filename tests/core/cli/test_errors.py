"""Errors as a user meets them."""

from __future__ import annotations

import errno

import click
import pytest

from clawmatrix_core.base.errors import (
    ClawMatrixError,
    ConfigError,
    NewerStateError,
    PeerLost,
    StartError,
    StateError,
)
from clawmatrix_core.cli.context import CommandError, ExitCode
from clawmatrix_core.cli.control_client import ControlError, NotRunning
from clawmatrix_core.cli.errors import describe


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (ConfigError(["a: is missing", "b: unknown key"]), 2, ["a: is missing", "b: unknown key"]),
        (click.UsageError("give one."), 2, ["give one"]),
        (click.ClickException("no"), 1, ["no"]),
        (NotRunning("node x is not running"), 3, ["node x is not running"]),
        (StateError("in use by process 7"), 4, ["in use by process 7"]),
        (StartError("port 1 is taken", exit_code=5), 5, ["port 1 is taken"]),
        (CommandError("no token"), 1, ["no token"]),
        (CommandError("no token", exit_code=8), 8, ["no token"]),
        (OSError(errno.EADDRINUSE, "taken"), 5, [f"[Errno {errno.EADDRINUSE}] taken"]),
        (FileNotFoundError(errno.ENOENT, "gone", "x"), 1, ["[Errno 2] gone: 'x'"]),
        (ControlError("timeout", "late"), 1, ["late"]),
        (ControlError("bad_params", "expires: too long"), 2, ["expires: too long"]),
        (PeerLost("office is gone"), 1, ["office is gone"]),
        (NewerStateError("a newer one"), 7, ["a newer one"]),
        (
            UnicodeEncodeError("utf-8", "a\udcff", 1, 2, "surrogates not allowed"),
            2,
            ["an argument or a variable is not UTF-8 text"],
        ),
        (KeyError("x"), 1, ["internal error: KeyError: 'x' (-vv shows where)"]),
        (ValueError(), 1, ["internal error: ValueError (-vv shows where)"]),
    ],
)
def test_each_error_has_its_code_and_lines(error: Exception, code: int, lines: list[str]) -> None:
    assert describe(error) == (code, lines)


def test_a_usage_error_names_the_help() -> None:
    context = click.Context(click.Command("run"), info_name="run")
    error = click.UsageError("No such option.", context)
    assert describe(error) == (2, ["No such option (see `run --help`)"])


def test_a_group_is_told_by_what_is_in_it() -> None:
    inner = ExceptionGroup("inner", [StateError("locked"), StateError("locked")])
    assert describe(ExceptionGroup("outer", [inner, ValueError("x")])) == (
        4,
        ["locked", "internal error: ValueError: x (-vv shows where)"],
    )


def test_the_codes_that_errors_carry_are_those_of_the_command_line() -> None:
    assert ClawMatrixError.exit_code == ExitCode.FAILURE
    assert ConfigError.exit_code == ExitCode.CONFIG
    assert StateError.exit_code == ExitCode.IN_USE
    assert NewerStateError.exit_code == ExitCode.NEWER_STATE
    assert NotRunning.exit_code == ExitCode.NOT_RUNNING
