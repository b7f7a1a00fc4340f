"""A stream of events, as far as it is looked at: where events end, and how the last one did.

Nothing is decoded while a stream runs. Only one that ends without ``[DONE]`` has its last
events read, to tell an upstream that omits it from one that was cut off.
"""

from __future__ import annotations

import re
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BOUNDARY", "HELD_LIMIT", "TAIL", "Ending", "Tail", "WholeEvents", "last_boundary"]

TAIL = 16 * 1024
"""Bytes at the end of a stream that are looked at, at least."""
HELD_LIMIT = 1024 * 1024
"""Bytes of an event that has not ended which are kept back; more are let through."""

_DONE = re.compile(rb"(?:^|[\r\n])data: ?\[DONE\][ \t]*(?:[\r\n]|$)")
BOUNDARY = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
"""What an event ends with: two ends of lines, of whichever of the three kinds."""
_BOUNDARY_SO_FAR = re.compile(rb"(?>\r\n|\n)(?>\r\n|\n|\r(?!\Z))|\r\r\n?")
"""That, unless what is last may be half of an end of a line."""


class Ending(Enum):
    """How a stream ended."""

    DONE = "done"
    FINISHED = "finished, without [DONE]"
    ERROR = "with an error of the upstream's own"
    CUT = "cut off"


class Tail:
    """Keeps the end of a stream. ``feed`` is cheap, ``ending`` is called once."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Note what went by."""
        pieces = self._pieces
        pieces.append(data)
        self._size += len(data)
        while self._size - len(pieces[0]) >= TAIL:
            self._size -= len(pieces.popleft())

    def ending(self) -> Ending:
        """Say how the stream ended."""
        tail = b"".join(self._pieces)
        if _DONE.search(tail) is not None:
            return Ending.DONE
        *events, rest = BOUNDARY.split(tail)
        if rest.strip():
            return Ending.CUT
        return _ending(list(_payloads(events)))


class WholeEvents:
    """Lets bytes through up to the end of the last whole event, and keeps the rest back.

    So that whatever happens upstream, an error event begins on a line of its own.
    """

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return the bytes that may go out."""
        before, self._held = self._held, b""
        data = before + data if before else data
        if data.endswith(b"\n\n"):
            return data
        end = last_boundary(data, len(before))
        if len(data) - end > HELD_LIMIT:
            return data
        self._held = data[end:]
        return data[:end]

    def rest(self) -> bytes:
        """Return what was kept back, for a stream that ended as it should."""
        rest, self._held = self._held, b""
        return rest


def last_boundary(data: bytes, seen: int = 0) -> int:
    """Return where the last whole event ends; 0 where none does.

    The first bytes, so many of them, are known to have no whole event in them.
    """
    if b"\r" not in data:
        end = data.rfind(b"\n\n")
        return end + 2 if end >= 0 else 0
    ends = (match.end() for match in _BOUNDARY_SO_FAR.finditer(data, max(0, seen - 3)))
    return max(ends, default=0)


def _payloads(events: list[bytes]) -> Iterator[dict[str, Any]]:
    for event in events:
        lines = re.split(rb"[\r\n]+", event)
        data = b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))
        try:
            payload = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # a comment, or the half of an event at the beginning of the tail
        if isinstance(payload, dict):
            yield payload


def _ending(payloads: list[dict[str, Any]]) -> Ending:
    if payloads and payloads[-1].get("error"):
        return Ending.ERROR
    finished: dict[object, bool] = {}
    for payload in payloads:
        choices = payload.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                finished[str(choice.get("index"))] = bool(choice.get("finish_reason"))
    return Ending.FINISHED if finished and all(finished.values()) else Ending.CUT
