"""The events of an upstream's stream: whole ones pass, malformed ones are cut out.

Every event's data is checked to be JSON, but decoded only up to the first one that means
something, which decides whether there is an answer at all, and where a word in it may make it
the last one: an error, or the API's own end. Nothing passes behind that. Where what was cut out
may have been a part of the answer, no end passes either: the stream ends with an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from clawmatrix_model_proxy.streams.cut_out import CutOut
from clawmatrix_model_proxy.streams.sse import BOUNDARY, last_boundary
from clawmatrix_model_proxy.streams.stages import (
    CHAT_LAST_WORDS,
    Stage,
    chat_stage,
    error_of,
    says_end,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "ERROR_WORDS",
    "EVENT_LIMIT",
    "SETUP_LIMIT",
    "EventFilter",
    "EventTooLarge",
    "Splitter",
    "data_of",
    "error_in",
    "error_without_data",
    "is_no_event",
    "named_error",
]

BOM = b"\xef\xbb\xbf"
EVENT_LIMIT = 1024 * 1024
"""Bytes one event may have; a longer one ends the answer."""
SETUP_LIMIT = 256 * 1024
"""Bytes that may come before the first meaningful event; with more, they count as one."""

ERROR_WORDS = 2000
"""Characters of an error which are repeated in messages."""

_NAMED_ERROR = re.compile(rb"(?:^|[\r\n])event: ?error[ \t]*(?:[\r\n]|$)")
_NAMED = re.compile(rb"(?:^|[\r\n])event: ?([^\r\n]+)")
_PLAIN = re.compile(rb"event: [\w./:-]+\ndata: ([^\r\n]*+)\Z")
"""What most events of an API that names them are; the rest of this is for the others."""
_LINES = re.compile(rb"\r\n|\n|\r")
_FIELD = re.compile(rb'data:|event:(?!.*[{}])|[^:{}"][^{}"]*\Z|\Z', re.DOTALL)
"""What a line of an event is, but for a comment. One that no event has was data once if it has a
mark of JSON; else it is nothing."""
_MEMBER = re.compile(rb'"(?:choices|delta|index|message|response|sequence_number)"[ \t]*:')
"""What a comment has that was data once, before a byte of it was damaged."""
_NAMELESS = (b'"message_', b'"content_block_')
"""What is in the data of events of which clients need the name."""
_MARKS = re.compile(rb'[{}"]')
"""What every event of an API has, and no word that a server sends to keep a connection."""
_check = msgspec.json.Decoder(msgspec.Raw).decode
_decode = msgspec.json.Decoder().decode
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class EventTooLarge(Exception):
    """An event went over its limit."""


class Splitter:
    """Takes bytes as they come and gives whole events, one by one."""

    def __init__(self) -> None:
        self._rest = b""
        self._first = True

    def feed(self, data: bytes) -> list[bytes]:
        """Return the whole events that have come. Raises: EventTooLarge."""
        before = self._rest
        data = before + data if before else data
        end = last_boundary(data, len(before))
        self._rest = data[end:]
        if len(self._rest) > EVENT_LIMIT:
            raise EventTooLarge
        if not end:
            return []
        if self._first:
            self._first = False
            data, end = _without_bom(data, end)
        return _split(data[:end])

    def finish(self) -> bytes:
        """Return the last event where only its blank line is missing, or its half."""
        rest, self._rest = self._rest, b""
        return rest.rstrip(b"\r\n")


class EventFilter:
    """Takes bytes as they come and gives whole events.

    Attributes:
        begun: True once there was an event that means something.
        over: True once an error, or the API's own end, has come. What follows is dropped.
        error: the upstream's own error.
        cut_out: the events that were malformed.
        last: the data of the last event that has any, but for ``[DONE]``.
        answer_id: the id that the first events name, where they do.
    """

    def __init__(
        self,
        stage: Callable[[dict[str, Any]], Stage] = chat_stage,
        last_words: tuple[bytes, ...] = CHAT_LAST_WORDS,
        names: frozenset[bytes] = frozenset(),
    ) -> None:
        """Make a filter; an event without any of ``last_words`` is none that ends a stream.

        Of the events whose data has one of the ``names``, none may have another itself.
        """
        self._stage = stage
        self._last_words = last_words
        self._names = names
        self._has_names = self._nameless = False
        self.last = b""
        self.answer_id = ""
        self.begun = self.over = False
        self.error: Any = None
        self.cut_out = CutOut()
        self._rest = b""
        self._seen = 0
        self._watchful = False

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that have come. Raises: EventTooLarge."""
        before = self._rest
        data = before + data if before else data
        end = last_boundary(data, len(before))
        self._rest = data[end:]
        if len(self._rest) > EVENT_LIMIT:
            raise EventTooLarge
        if not end or self.over:
            return b""
        if not self.last:
            data, end = _without_bom(data, end)
        whole = data[:end]
        self._watchful = not self.begun or any(word in whole for word in self._last_words)
        return b"".join(self._good(whole))

    @property
    def malformed(self) -> int:
        """How many events were cut out."""
        return self.cut_out.count

    def finish(self) -> bytes:
        """Return the last event where only its blank line is missing; drop what is cut off."""
        rest, self._rest = self._rest, b""
        if self.over or not rest.strip():
            return b""
        self._watchful = True
        ended = rest.rstrip(b"\r\n")
        before = attrs.evolve(self.cut_out)
        if data_of(ended) and self._is_good(ended):
            return ended + b"\n\n"
        self.cut_out = before  # the half of an event is cut off, not malformed
        return b""

    def _good(self, whole: bytes) -> Iterator[bytes]:
        events = whole.split(b"\n\n") if b"\r" not in whole else None
        if events is not None:
            events.pop()  # what is behind the last boundary
            for event in events:
                if self._is_good(event):
                    yield event
                    yield b"\n\n"
            return
        start = 0
        for match in BOUNDARY.finditer(whole):
            if self._is_good(whole[start : match.start()]):
                yield whole[start : match.end()]
            start = match.end()

    def _is_good(self, event: bytes) -> bool:
        if self.over:
            return False
        data = data_of(event)
        if self._watchful and named_error(event):
            return self._fail(data or b"")
        if data == b"[DONE]":
            self.over = True
            return not self.cut_out.doubtful
        if data == b"":
            return True  # a comment
        if data is None:
            self.error = error_without_data(event)
            self.over = self.error is not None
            if not self.over:
                self.cut_out.add(self.last)
            return False
        try:
            passes = self._passes(event, data)
        except _NOT_JSON:
            self.cut_out.add(self.last, harmless=is_no_event(data))
            return False
        self.last = data if passes else self.last
        return passes

    def _passes(self, event: bytes, data: bytes) -> bool:
        """Look at the data of an event. Raises: what is in _NOT_JSON."""
        if self._names and self._is_misnamed(event, data):
            raise msgspec.DecodeError("its name is not that of its data")
        looked_at = not self.begun or self.cut_out.count
        if looked_at or (self._watchful and any(word in data for word in self._last_words)):
            return self._look_at(_decode(data), data)
        _check(data)
        data.isascii() or data.decode()  # which is not looked at above
        return True

    def _is_misnamed(self, event: bytes, data: bytes) -> bool:
        """Say whether an event has not the name of its data: clients that go by it lose it.

        There are servers that name none at all, or all alike.
        """
        match = _NAMED.search(event)
        name = b"" if match is None else match[1]
        if name in self._names and b'"%b"' % name in data:
            if self._nameless:
                self.cut_out.add(self.last)
            self._has_names, self._nameless = True, False
            return False
        if name not in self._names and not self._has_names:
            self._nameless = self._nameless or any(word in data for word in _NAMELESS)
            return False
        payload = _decode(data)
        kind = payload.get("type") if isinstance(payload, dict) else None
        if not isinstance(kind, str) or kind == "error" or kind.encode() == name:
            return False
        return name in self._names or kind.encode() in self._names

    def _look_at(self, payload: object, data: bytes) -> bool:
        """Note what an event amounts to, and say whether it may pass."""
        self._seen += len(data)
        if not isinstance(payload, dict):
            return True
        stage = self._stage(payload)
        self.answer_id = self.answer_id or _id_of(payload)
        if stage in (Stage.ERROR, Stage.BROKEN):
            self.error = error_of(payload)
            self.over = True
            return stage is Stage.ERROR
        self.cut_out.settle(data)
        if self.cut_out.doubtful and says_end(payload):
            self.over, self.error = True, self.cut_out.error
            return False
        self.over = stage is Stage.END
        self.begun = self.begun or stage is not Stage.SETUP or self._seen > SETUP_LIMIT
        return True

    def _fail(self, data: bytes) -> bool:
        """Note an event that is an error by its name, and say whether it may pass."""
        self.over = True
        self.error = error_in(data)
        try:
            passes = self._stage(_decode(data)) is Stage.ERROR
        except (*_NOT_JSON, AttributeError):
            passes = False
        self.last = data if passes else self.last
        return passes


def _split(whole: bytes) -> list[bytes]:
    if b"\r" not in whole:
        return whole.split(b"\n\n")[:-1]
    return BOUNDARY.split(whole)[:-1]


def _id_of(payload: dict[str, Any]) -> str:
    inner = payload.get("response")
    found = inner.get("id") if isinstance(inner, dict) else None
    return found if isinstance(found, str) else ""


def data_of(event: bytes) -> bytes | None:
    """Return the data of an event, empty where it has none; None where some of it is lost."""
    if event.startswith(b"data: ") and b"\n" not in event and b"\r" not in event:
        return event[6:].strip()
    plain = _PLAIN.match(event)
    if plain is not None:
        return plain[1].strip()
    lines = _LINES.split(event)
    if not all(map(_is_line, lines)):
        return None
    found = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
    return b"\n".join(found).strip()


def is_no_event(data: bytes) -> bool:
    """Say whether data that is no JSON was none before: a word that keeps a connection alive."""
    return _MARKS.search(data) is None


def _is_line(line: bytes) -> bool:
    """Say whether a line is one that an event may have, or nothing."""
    if line[:1] != b":":
        return _FIELD.match(line) is not None
    return line.count(b"{") == line.count(b"}") and _MEMBER.search(line) is None


def named_error(event: bytes) -> bool:
    """Say whether an event is an error by its name, whatever its data is."""
    return b"error" in event and _NAMED_ERROR.search(event) is not None


def error_without_data(event: bytes) -> Any:
    """Return the error that is in lines which are none of an event's, as some servers send it."""
    for line in _LINES.split(event):
        if line.startswith(b"error:"):
            return error_in(line[6:].strip())
        if line.startswith(b"{"):
            try:
                payload = _decode(line)
            except _NOT_JSON:
                continue
            if payload.get("error") or payload.get("object") == "error":
                return error_of(payload)
    return None


def error_in(data: bytes) -> Any:
    """Return the error that the data of an event is, or what words it has."""
    try:
        payload = _decode(data)
    except _NOT_JSON:
        payload = None
    if isinstance(payload, dict):
        return error_of(payload)
    words = data.decode(errors="replace")[:ERROR_WORDS]
    return {"message": words or "the upstream ended with an error"}


def _without_bom(data: bytes, end: int) -> tuple[bytes, int]:
    return (data[len(BOM) :], end - len(BOM)) if data.startswith(BOM) else (data, end)
