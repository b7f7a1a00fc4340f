"""The line that says how far a command is: on a terminal, and nowhere else."""

from __future__ import annotations

import io
import os
import pty
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.cli import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

XTERM = {"TERM": "xterm"}


@pytest.fixture
def terminal() -> Iterator[tuple[TextIO, int]]:
    """A terminal to write to, and the descriptor at which a person reads it."""
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as stream:
        yield stream, reader
    os.close(reader)


def read(reader: int, end: bytes) -> bytes:
    """Return what a person sees, up to its end: a terminal hands it over in pieces."""
    found = os.read(reader, 1000)
    while not found.endswith(end):
        found += os.read(reader, 1000)
    return found


def test_a_terminal_shows_one_line_and_then_none(
    terminal: tuple[TextIO, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "12")
    stream, reader = terminal
    with Progress(stream, environ=XTERM) as progress:
        assert progress.live
        progress.show("1 of 2")
        progress.show("a text that is \x1b[2Jtoo long")
    expected = b"\r\x1b[K1 of 2\r\x1b[Ka text that\r\x1b[K"
    assert read(reader, b"that\r\x1b[K") == expected


def test_the_line_is_removed_before_an_error_is_told(terminal: tuple[TextIO, int]) -> None:
    stream, reader = terminal

    def fail() -> None:
        with Progress(stream, environ=XTERM) as progress:
            progress.show("1 of 2")
            raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        fail()
    assert read(reader, b"2\r\x1b[K").endswith(b"1 of 2\r\x1b[K")


def test_what_a_peer_wrote_cannot_move_the_cursor(terminal: tuple[TextIO, int]) -> None:
    stream, reader = terminal
    Progress(stream, environ=XTERM).show("\x1b[2J")
    assert read(reader, b"[2J") == "\r\x1b[K�[2J".encode()


@pytest.mark.parametrize("environ", [{}, {"TERM": "dumb"}])
def test_a_terminal_that_cannot_do_it_is_left_alone(
    terminal: tuple[TextIO, int], environ: dict[str, str]
) -> None:
    assert not Progress(terminal[0], environ=environ).live


def test_nothing_is_written_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    with Progress(stream, environ=XTERM) as progress:
        progress.show("1 of 2")
    assert stream.getvalue() == ""


def test_a_terminal_that_went_away_ends_nothing() -> None:
    reader, writer = pty.openpty()
    stream = os.fdopen(writer, "w")
    progress = Progress(stream, environ=XTERM)
    os.close(reader)
    with progress:
        progress.show("1 of 2")
    with pytest.raises(OSError, match="Input/output"):  # what was not written is still there
        stream.close()
