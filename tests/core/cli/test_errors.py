"""Errors as a user meets them."""

from __future__ import annotations

import errno

import click
import pytest

from clawmatrix_core.base.errors import ConfigError, PeerLost, StartError, StateError
from clawmatrix_core.cli.context import CommandError
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
