"""The bytes of server-sent events: where one event ends, and the next begins."""

from __future__ import annotations

import re
from itertools import repeat
from typing import TYPE_CHECKING

from clawmatrix_core import Bound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "BOUNDARY",
    "BYTE_ORDER_MARK",
    "EVENT_LIMIT",
    "PORTION",
    "SILENT_LIMIT",
    "SILENT_LINES",
    "EventTooLarge",
    "Silence",
    "WholeEvents",
    "events_in",
    "last_boundary",
    "lines_in",
    "portions",
]

EVENT_LIMIT = Bound(
    64 * 1024 * 1024,
    "bytes of one event of a stream, unless `max_event` says otherwise; what waits of all streams"
    " beyond 1 MiB each counts among the answers that are kept",
    fed_by="an upstream",
    when_full="the answer ends with an error",
)
SILENT_LINES = Bound(
    65_536,
    "lines of a stream in a row, comments and empty or unreadable events, that bring no event",
    fed_by="an upstream",
    when_full="the answer ends with an error",
)
SILENT_LIMIT = Bound(
    4 * 1024 * 1024,
    "bytes of a stream in a row that bring no event",
    fed_by="an upstream",
    when_full="the answer ends with an error",
)
PORTION = Bound(
    1024,
    "lines of a stream that are looked at in one go",
    fed_by="an upstream",
    when_full="the rest is looked at after other work had its turn",
)

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What a stream may begin with, and no event has."""
BOUNDARY = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
"""What an event ends with: two ends of lines, of whichever of the three kinds."""
_LAST_BOUNDARY = re.compile(rb"(?s:.*)(?:(?>\r\n|\n)(?>\r\n|\n|\r(?!\Z))|\r\r\n?)")
"""Everything up to the last one, unless what is last may be half of an end of a line."""
_LONGEST = 4
"""Bytes of the longest end of an event."""


class EventTooLarge(Exception):
    """An event, or what stands in the place of events, went over its limit."""


class WholeEvents:
    """Takes bytes as they come, gives them out up to the end of the last whole event.

    The serving side raises at an event over the limit. The asking side lets it through: an event
    that the serving side wrote may repeat the whole answer.
    """

    def __init__(self, *, limit: int = EVENT_LIMIT, limited: bool = True) -> None:
        """Make it empty.

        Args:
            limit: the bytes that an event may have.
            limited: whether an event over the limit is an error.
        """
        self._held = bytearray()  # the beginning of an event that has not ended
        self._limit = limit
        self._limited = limited

    @property
    def waiting(self) -> int:
        """Bytes of the event that has not ended."""
        return len(self._held)

    @property
    def in_comment(self) -> bool:
        """True where what has not ended is a comment, so far."""
        return self._held.startswith(b":")

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that have come. Raises: EventTooLarge, where limited."""
        held = self._held
        if not held:
            if data.endswith(b"\n\n"):  # as most pieces do
                return data
            end = last_boundary(data)
            return self._split(data, end)
        # What is held has no whole event in it, so that no byte is looked at again.
        seam = bytes(held[1 - _LONGEST :])
        end = last_boundary(seam + data)
        if not end:
            held += data
            return self._checked()
        end += len(held) - len(seam)
        held += data
        data = bytes(held)
        held.clear()
        return self._split(data, end)

    def _split(self, data: bytes, end: int) -> bytes:
        self._held += data[end:]
        whole = data[:end] if end < len(data) else data
        return whole + self._checked() if len(self._held) > self._limit else whole

    def _checked(self) -> bytes:
        """Return what is held where it is too large and may be. Raises: EventTooLarge."""
        if len(self._held) <= self._limit:
            return b""
        if self._limited:
            raise EventTooLarge(
                f"an event of the answer has more than {self._limit:d} bytes (max_event)"
            )
        return self.rest()

    def rest(self) -> bytes:
        """Return what was held, and hold it no more."""
        rest = bytes(self._held)
        self._held.clear()
        return rest


class Silence:
    """Counts what of a stream in a row brings no event.

    Attributes:
        lasts: whether the last that was noted brought none.
    """

    def __init__(self) -> None:
        self.lasts = False
        self._bytes = self._lines = 0

    def note(self, data: bytes, *, event: bool) -> None:
        """Note what has come, and whether an event was among it. Raises: EventTooLarge."""
        self.lasts = not event
        if event:
            self._bytes = self._lines = 0
            return
        self._bytes += len(data)
        self._lines += lines_in(data)
        if self._bytes > SILENT_LIMIT or self._lines > SILENT_LINES:
            raise EventTooLarge(
                f"{self._lines} lines of the answer, with {self._bytes} bytes, bring no event"
            )


def portions(data: bytes) -> Iterable[bytes]:
    """Return bytes in parts of at most PORTION lines each, so that other work has its turn."""
    if len(data) <= PORTION or lines_in(data) <= PORTION:
        return (data,)
    return _portions(data)


def _portions(data: bytes) -> Iterator[bytes]:
    # A part of PORTION bytes has no more lines, and one of many times the bytes seldom has.
    at, size = 0, 64 * PORTION
    while at < len(data):
        part = data[at : at + size]
        while len(part) > PORTION and lines_in(part) > PORTION:
            part = part[: len(part) // 2]
        yield part
        at += len(part)
        size = min(2 * len(part), 64 * PORTION)


def lines_in(data: bytes) -> int:
    """Return how many ends of lines there are, at most: one of two bytes counts as two."""
    return data.count(b"\n") + data.count(b"\r")


def events_in(whole: bytes) -> Iterable[tuple[bytes, bytes]]:
    """Return each of these whole events, and the boundary behind it."""
    if b"\r" in whole:
        return _events_in(whole)
    events = whole.split(b"\n\n")
    events.pop()  # what is behind the last boundary
    return zip(events, repeat(b"\n\n"))


def _events_in(whole: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 0
    for match in BOUNDARY.finditer(whole):
        yield whole[start : match.start()], match[0]
        start = match.end()


def last_boundary(data: bytes) -> int:
    """Return where the last whole event ends; 0 where none does."""
    if b"\r" not in data:
        end = data.rfind(b"\n\n")
        return end + 2 if end >= 0 else 0
    match = _LAST_BOUNDARY.match(data)
    return 0 if match is None else match.end()
