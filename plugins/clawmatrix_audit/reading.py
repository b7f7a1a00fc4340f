"""Reading the files of the audit, line by line, whatever is in them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import attrs

from clawmatrix_audit.line import LINE, Entry, read_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clawmatrix_audit.folder import AuditFolder

__all__ = ["Piece", "read_entries", "read_pieces"]


@attrs.frozen
class Piece:
    """What stands between two line breaks.

    Attributes:
        file: the name of the file.
        number: which line of the file it is, from 1.
        start: bytes of the file before it.
        raw: its bytes without the line break, as far as a line may have.
        whole: whether a line break ends it.
    """

    file: str
    number: int
    start: int
    raw: bytes = attrs.field(repr=False)
    whole: bool

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.file}:{self.number}"

    def entry(self) -> Entry:
        """Return what it says. Raises: ValueError."""
        if not self.whole:
            raise ValueError("has no end")
        return read_line(self.raw)


def read_pieces(folder: AuditFolder, names: Sequence[str]) -> Iterator[Piece]:
    """Yield all lines of some files. Raises: StateError, OSError."""
    for name in names:
        try:
            descriptor = folder.open(name, os.O_RDONLY)
        except FileNotFoundError:
            continue  # the node has dropped it, and says so in a line
        with open(descriptor, "rb") as file:
            number = start = 0
            while raw := file.readline(LINE + 2):
                number += 1
                yield Piece(name, number, start, raw.removesuffix(b"\n"), raw.endswith(b"\n"))
                start += len(raw)


def read_entries(folder: AuditFolder, names: Sequence[str]) -> Iterator[Entry]:
    """Yield the lines that can be read. Raises: StateError, OSError."""
    for piece in read_pieces(folder, names):
        try:
            yield piece.entry()
        except ValueError:
            continue
