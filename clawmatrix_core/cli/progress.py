"""A line that shows the progress of a command on a terminal."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TextIO

from clawmatrix_core.cli.context import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Progress"]

_CLEARED = "\r\x1b[K"


class Progress:
    """One line on standard error, written over and over; ``with`` removes it at the end.

    Where standard error is no terminal, or a terminal that cannot move its cursor, nothing is
    written, so that logs and scripts see the command's output only. ::

        with Progress() as progress:
            for item in stream(settings.config_file(), "dice.rolls"):
                progress.show(f"{item['number']} of {item['of']}")
    """

    def __init__(
        self, stream: TextIO | None = None, *, environ: Mapping[str, str] = os.environ
    ) -> None:
        """Make one; ``stream`` is written to in the place of standard error."""
        self._stream = sys.stderr if stream is None else stream
        self.live = self._stream.isatty() and environ.get("TERM", "dumb") != "dumb"
        self._shown = False

    def __repr__(self) -> str:
        return f"<Progress {'live' if self.live else 'quiet'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """Put the text in the place of the last one, cut to the width of the terminal."""
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            self._write(_CLEARED + printable(text)[:width])
            self._shown = True

    def clear(self) -> None:
        """Remove the line, before something else is printed."""
        if self._shown:
            self._shown = False
            self._write(_CLEARED)

    def _write(self, text: str) -> None:
        with suppress(OSError):  # the terminal may be gone; the work goes on
            self._stream.write(text)
            self._stream.flush()
