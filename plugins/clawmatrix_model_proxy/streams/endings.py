"""How a stream ended: as it should, with an error, or cut off.

A stream that ends without ``[DONE]`` has its last events read once more, to tell an upstream that
leaves the mark out from one that was cut off. To decode every event while a stream runs would cost
far more than that.
"""

from __future__ import annotations

import re
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.streams.events import data_of
from clawmatrix_model_proxy.streams.sse import BOUNDARY
from clawmatrix_model_proxy.streams.stages import says

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TAIL", "Ending", "Tail"]

TAIL = 16 * 1024
"""Bytes at the end of a stream that are looked at, at least."""

_DONE = re.compile(rb"(?:^|[\r\n])data: ?\[DONE\][ \t]*(?:[\r\n]|$)")


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

    def payloads(self) -> list[dict[str, Any]]:
        """Return the data of the last events, the last at the end."""
        return list(_payloads(BOUNDARY.split(b"".join(self._pieces))))

    def ending(self) -> Ending:
        """Say how the stream ended."""
        tail = b"".join(self._pieces)
        if _DONE.search(tail) is not None:
            return Ending.DONE
        *events, rest = BOUNDARY.split(tail)
        if rest.strip():
            return Ending.CUT
        return _ending(list(_payloads(events)))


def _payloads(events: list[bytes]) -> Iterator[dict[str, Any]]:
    for event in events:
        try:
            payload = decode(data_of(event) or b"")
        except NOT_JSON:
            continue  # a comment
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
                index, reason = str(choice.get("index")), bool(choice.get("finish_reason"))
                # A choice behind its end that says nothing comes with what the answer took.
                finished[index] = reason or (finished.get(index, False) and not says(choice))
    return Ending.FINISHED if finished and all(finished.values()) else Ending.CUT
