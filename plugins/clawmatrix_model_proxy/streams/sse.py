"""The bytes of server-sent events: where one event ends, and the next begins."""

from __future__ import annotations

import re
from itertools import repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "BOUNDARY",
    "BYTE_ORDER_MARK",
    "EVENT_LIMIT",
    "EventTooLarge",
    "WholeEvents",
    "events_in",
    "last_boundary",
]

EVENT_LIMIT = 1024 * 1024
"""Bytes one event may have."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What a stream may begin with, and no event has."""
BOUNDARY = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
"""What an event ends with: two ends of lines, of whichever of the three kinds."""
_BOUNDARY_SO_FAR = re.compile(rb"(?>\r\n|\n)(?>\r\n|\n|\r(?!\Z))|\r\r\n?")
"""That, unless what is last may be half of an end of a line."""


class EventTooLarge(Exception):
    """An event went over its limit."""


class WholeEvents:
    """Takes bytes as they come, gives them out up to the end of the last whole event.

    The serving side raises at an event over the limit. The asking side lets it through: an event
    that the serving side wrote may repeat the whole answer.

    Attributes:
        held: the beginning of an event that has not ended.
    """

    def __init__(self, *, limited: bool = True) -> None:
        """Make it empty; ``limited`` where an event over the limit is an error."""
        self.held = b""
        self._limited = limited

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that have come. Raises: EventTooLarge, where limited."""
        before = self.held
        data = before + data if before else data
        if data.endswith(b"\n\n"):  # as most pieces do
            self.held = b""
            return data
        end = last_boundary(data, len(before))
        self.held = data[end:]
        if len(self.held) > EVENT_LIMIT:
            if self._limited:
                raise EventTooLarge
            end, self.held = len(data), b""
        return data[:end]

    def rest(self) -> bytes:
        """Return what was held, and hold it no more."""
        rest, self.held = self.held, b""
        return rest


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


def last_boundary(data: bytes, seen: int = 0) -> int:
    """Return where the last whole event ends; 0 where none does.

    The first bytes, so many of them, are known to have no whole event in them.
    """
    if b"\r" not in data:
        end = data.rfind(b"\n\n")
        return end + 2 if end >= 0 else 0
    ends = (match.end() for match in _BOUNDARY_SO_FAR.finditer(data, max(0, seen - 3)))
    return max(ends, default=0)
