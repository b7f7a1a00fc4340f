"""The events of an upstream's stream: whole ones pass, malformed ones are cut out.

Every event's data is checked to be JSON, but decoded only up to the first one that means
something, which decides whether there is an answer at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.stages import Stage, chat_stage, error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["EVENT_LIMIT", "SETUP_LIMIT", "EventFilter", "EventTooLarge", "Splitter", "data_of"]

EVENT_LIMIT = 1024 * 1024
"""Bytes one event may have; a longer one ends the answer."""
SETUP_LIMIT = 256 * 1024
"""Bytes that may come before the first meaningful event; with more, they count as one."""

_EVENT = re.compile(rb"(.*?)(?:\r\n\r\n|\n\n|\r\r)", re.DOTALL)
_LINES = re.compile(rb"\r\n|\n|\r")
_check = msgspec.json.Decoder(msgspec.Raw).decode
_decode = msgspec.json.Decoder().decode
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class EventTooLarge(Exception):
    """An event went over its limit."""


class Splitter:
    """Takes bytes as they come and gives whole events, one by one."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the whole events that have come. Raises: EventTooLarge."""
        data = self._rest + data if self._rest else data
        end = _last_boundary(data)
        self._rest = data[end:]
        if len(self._rest) > EVENT_LIMIT:
            raise EventTooLarge
        return _split(data[:end]) if end else []

    def finish(self) -> bytes:
        """Return the last event where only its blank line is missing, or its half."""
        rest, self._rest = self._rest, b""
        return rest.rstrip(b"\r\n")


class EventFilter:
    """Takes bytes as they come and gives whole events.

    Attributes:
        begun: True once there was an event that means something.
        error: the upstream's own error, where that came before anything else.
        malformed: how many events were cut out.
        last: the data of the last event that has any, but for ``[DONE]``.
        answer_id: the id that the first events name, where they do.
    """

    def __init__(self, stage: Callable[[dict[str, Any]], Stage] = chat_stage) -> None:
        self._stage = stage
        self.last = b""
        self.answer_id = ""
        self.begun = False
        self.error: Any = None
        self.malformed = 0
        self._rest = b""
        self._seen = 0

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that have come. Raises: EventTooLarge."""
        data = self._rest + data if self._rest else data
        end = _last_boundary(data)
        self._rest = data[end:]
        if len(self._rest) > EVENT_LIMIT:
            raise EventTooLarge
        whole = data[:end]
        return b"".join(self._good(whole)) if whole else b""

    def finish(self) -> bytes:
        """Return the last event where only its blank line is missing; drop what is cut off."""
        rest, self._rest = self._rest, b""
        if not rest.strip():
            return b""
        ended = rest.rstrip(b"\r\n") + b"\n\n"
        return ended if data_of(ended) and self._is_good(ended) else b""

    def _good(self, whole: bytes) -> Iterator[bytes]:
        events = whole.split(b"\n\n") if b"\r" not in whole else None
        if events is not None:
            events.pop()  # what is behind the last boundary
            for event in events:
                if self._is_good(event):
                    yield event
                    yield b"\n\n"
            return
        for match in _EVENT.finditer(whole):
            if self._is_good(match[1]):
                yield match[0]

    def _is_good(self, event: bytes) -> bool:
        data = data_of(event)
        if not data or data == b"[DONE]":
            self.begun = self.begun or bool(data)
            return True
        try:
            if self.begun:
                _check(data)
            else:
                self._look_at(_decode(data), len(data))
        except _NOT_JSON:
            self.malformed += 1
            return False
        self.last = data
        return True

    def _look_at(self, payload: object, size: int) -> None:
        self._seen += size
        if not isinstance(payload, dict):
            return
        stage = self._stage(payload)
        if stage is Stage.ERROR:
            self.error = error_of(payload)
        self.answer_id = self.answer_id or _id_of(payload)
        self.begun = stage is not Stage.SETUP or self._seen > SETUP_LIMIT


def _split(whole: bytes) -> list[bytes]:
    if b"\r" not in whole:
        return whole.split(b"\n\n")[:-1]
    return [match[1] for match in _EVENT.finditer(whole)]


def _id_of(payload: dict[str, Any]) -> str:
    inner = payload.get("response")
    found = inner.get("id") if isinstance(inner, dict) else None
    return found if isinstance(found, str) else ""


def data_of(event: bytes) -> bytes:
    """Return the data of an event, empty where it has none."""
    if event.startswith(b"data: ") and b"\n" not in event and b"\r" not in event:
        return event[6:]
    lines = (line for line in _LINES.split(event) if line.startswith(b"data:"))
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines).strip()


def _last_boundary(data: bytes) -> int:
    ends = (data.rfind(mark) + len(mark) for mark in (b"\n\n", b"\n\r\n", b"\r\r") if mark in data)
    return max(ends, default=0)
