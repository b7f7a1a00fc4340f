"""The tool ``read``: lines of a text, or bytes of any file, in pieces as they are read."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs

from clawmatrix_tool_proxy.files.errors import failure, refusal
from clawmatrix_tool_proxy.files.pieces import PIECE, is_binary, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import JSON
    from clawmatrix_tool_proxy.files.paths import RootPath
    from clawmatrix_tool_proxy.files.roots import Roots

__all__ = ["ReadBytes", "ReadLines", "time_text"]


def time_text(seconds: float) -> str:
    """Return a time in seconds since 1970 as text, in UTC."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):  # disks know years of more than four digits
        return ""


@attrs.define
class ReadLines:
    """Reads lines of a text.

    Attributes:
        roots: where the file is.
        path: the file.
        first: the first line to give, from 1.
        most: bytes that are given at most.
        count: how many lines to give; None is all.
    """

    roots: Roots
    path: RootPath
    first: int
    most: int
    count: int | None = None
    _found: os.stat_result | None = None
    _next: int | None = None
    _given: int = 0
    _sent: int = 0
    _within: bool = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines, in pieces. Raises: ToolError."""
        with self.roots.visit(self.path.root) as visit, visit.file(self.path) as descriptor:
            try:
                self._found = os.fstat(descriptor)
                yield from self._lines(descriptor)
            except OSError as error:
                raise failure(self.path, error) from None

    @property
    def facts(self) -> JSON:
        """What came of it, once everything was taken."""
        cut = {"line_cut": True} if self._within and self._next is not None else {}
        lines = {"lines": self._given + self._within, "next": self._next, **cut}
        return {"path": str(self.path), **lines, **_file_facts(self._found)}

    def _lines(self, descriptor: int) -> Iterator[bytes]:
        skip, first = self.first - 1, True
        for piece in pieces(descriptor):
            if first and is_binary(piece):
                raise refusal(self.path, "binary", "it is no text: read it with binary = true")
            first, rest = False, piece
            if skip:
                parts = piece.split(b"\n", skip)
                skip, rest = skip - len(parts) + 1, parts[-1]
            if rest and not skip:
                if taken := self._taken(rest):
                    yield taken
                if len(taken) < len(rest):
                    self._note_next()
                    return

    def _taken(self, rest: bytes) -> bytes:
        """Return what of a piece is given."""
        if self.count is not None:
            parts = rest.split(b"\n", left := self.count - self._given)
            rest = rest[: len(rest) - len(parts[-1])] if len(parts) > left else rest
        if len(rest) > (room := self.most - self._sent):
            end = rest.rfind(b"\n", 0, room) + 1
            rest = rest[: end or (0 if self._given else _character_end(rest, room))]
        self._given += rest.count(b"\n")
        self._sent += len(rest)
        self._within = not rest.endswith(b"\n") if rest else self._within
        return rest

    def _note_next(self) -> None:
        self._next = self.first + self._given + (self._within and not self._given)


def _character_end(text: bytes, end: int) -> int:
    """Return the end, or a little before it, so that no character of UTF-8 is cut in two."""
    at = next((at for at in range(end, max(end - 4, -1), -1) if text[at] & 0xC0 != 0x80), end)
    return at or end  # something is given, or nobody would get on


@attrs.define
class ReadBytes:
    """Reads bytes of any file.

    Attributes:
        roots: where the file is.
        path: the file.
        first: the first byte to give, from 0.
        most: bytes that are given at most.
    """

    roots: Roots
    path: RootPath
    first: int
    most: int
    _found: os.stat_result | None = None
    _sent: int = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes, in pieces. Raises: ToolError."""
        with self.roots.visit(self.path.root) as visit, visit.file(self.path) as descriptor:
            try:
                self._found = os.fstat(descriptor)
                while more := self._more(descriptor):
                    self._sent += len(more)
                    yield more
            except OSError as error:
                raise failure(self.path, error) from None

    @property
    def facts(self) -> JSON:
        """What came of it, once everything was taken."""
        end = self.first + self._sent
        ended = self._found is None or end >= self._found.st_size
        told = {"bytes": self._sent, "next": None if ended else end}
        return {"path": str(self.path), **told, **_file_facts(self._found)}

    def _more(self, descriptor: int) -> bytes:
        return os.pread(descriptor, min(PIECE, self.most - self._sent), self.first + self._sent)


def _file_facts(found: os.stat_result | None) -> dict[str, JSON]:
    if found is None:
        return {}
    return {"size": found.st_size, "modified": time_text(found.st_mtime)}
