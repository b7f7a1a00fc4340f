"""What a command prints without a look at it."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import click

from clawmatrix_core.cli.guarded_output import GuardedStream, guarded_output
from clawmatrix_core.cli.shell import execute
from tests.core.cli.test_shell import add_plugin, clawmatrix, site, write_config

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

__all__ = ["site"]

CARELESS = r"""
    import json, sys
    import click
    from clawmatrix_core.hookspecs import hookimpl

    NASTY = "a\x9b2Jb\x7f\u202ec\u2028\x07\x1b]0;title\x07"

    @click.command()
    def careless():
        "Print what others wrote."
        click.echo(NASTY)
        click.secho(NASTY, err=True, fg="red")
        print(NASTY)
        sys.stdout.writelines([NASTY, "\n"])
        click.echo(json.dumps({"said": NASTY}, ensure_ascii=False))
        raise ValueError(NASTY)

    @hookimpl
    def register_commands():
        return [careless]
"""


def test_a_command_of_a_plugin_prints_nothing_that_moves_the_cursor(
    tmp_path: Path, site: Path
) -> None:
    add_plugin(site, "careless", CARELESS)
    write_config(tmp_path, 'plugins = ["careless"]\n')
    done = clawmatrix("-vv", "careless", cwd=tmp_path, path=site)
    assert done.returncode == 1, done
    assert "plugin careless: ValueError" in done.stderr
    for text in (done.stdout, done.stderr):
        assert text.replace("\n", "").isprintable()
    said = json.loads(done.stdout.splitlines()[-1])["said"]
    assert said == "a\x9b2Jb\x7f\u202ec\u2028\x07\x1b]0;title\x07"


def test_colours_and_moves_of_the_cursor_are_a_commands_own() -> None:
    inner = io.StringIO()
    stream = GuardedStream(inner)
    own = "\x1b[31mred\x1b[0m\r\x1b[K\ttab\n"
    assert stream.write(own) == len(own)
    assert inner.getvalue() == own
    assert "GuardedStream" in repr(stream)


def test_an_escape_that_is_cut_in_two_is_none() -> None:
    inner = io.StringIO()
    for part in ("\x1b", "]0;x\x07", "\x1b[", "2J"):
        GuardedStream(inner).write(part)
    assert inner.getvalue() == r"\u001b]0;x\u0007\u001b[2J"


def test_the_streams_are_guarded_once_and_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with guarded_output(), guarded_output():
        assert sys.stdout is not before
        click.echo("x\x9by")
    assert sys.stdout is before
    assert capsys.readouterr().out == "x\\u009by\n"


def test_an_error_shows_no_password_of_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    code = execute(["init", "--secret", "x" * 40, "--peer", "nope://me:hid den@h:1"])
    assert code == 2
    assert "hid" not in capsys.readouterr().err


def test_bytes_of_a_files_name_go_out_as_they_came_except_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for inner, written in ((io.StringIO(), "a\udc9bb"), (Terminal(), r"a\udc9bb")):
        GuardedStream(inner).write("a\udc9bb")
        assert inner.getvalue() == written
