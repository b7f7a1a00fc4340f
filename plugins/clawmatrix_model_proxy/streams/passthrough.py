"""A stream in the client's own API: whole events pass as they are, malformed ones are cut out.

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

from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.streams.cut_out import CutOut
from clawmatrix_model_proxy.streams.endings import Ending, Tail
from clawmatrix_model_proxy.streams.events import (
    data_of,
    error_in,
    error_without_data,
    is_no_event,
    named_error,
    stray_error,
)
from clawmatrix_model_proxy.streams.sse import (
    BYTE_ORDER_MARK,
    EVENT_LIMIT,
    Silence,
    WholeEvents,
    events_in,
)
from clawmatrix_model_proxy.streams.stages import Stage, error_of, says_end

if TYPE_CHECKING:
    from clawmatrix_model_proxy.streams.formats import Format

__all__ = ["PassthroughStream"]

_DONE = b"data: [DONE]\n\n"
_NAMED = re.compile(rb"(?:^|[\r\n])event: ?([^\r\n]+)")
_NAMELESS = (b'"message_', b'"content_block_')
"""What is in the data of events of which clients need the name."""
_check = msgspec.json.Decoder(msgspec.Raw).decode


class PassthroughStream:
    """Takes bytes as they come and gives whole events; see ``AnswerStream``.

    Attributes:
        begun: True once there was an event that means something.
        over: True once an error, or the API's own end, has come. What follows is dropped.
        error: the upstream's own error.
        cut_out: the events that were malformed.
        answer_id: the id that the first events name, where they do.
        item_ids: the ids of the items in a whole response, once it has come.
        signs: how many events said that the model works before it said anything.
    """

    def __init__(self, format: Format, *, limit: int = int(EVENT_LIMIT)) -> None:
        """Make one; ``limit`` is the bytes that an event may have, and those before the answer.

        What comes before the first event that means something counts as one when it has more.
        """
        self.signs = 0
        self.begun = self.over = False
        self.error: Any = None
        self.cut_out = CutOut()
        self.answer_id = ""
        self.item_ids: tuple[str, ...] = ()
        self._format = format
        self._names = format.names
        self._last_words = format.last_words
        self._has_names = self._nameless = False
        self._limit = limit
        self._whole = WholeEvents(limit=limit)
        self._silence = Silence()
        self._tail = Tail()
        self._last = b""  # the data of the last event that has any, but for ``[DONE]``
        self._seen = 0
        self._watchful = False

    @property
    def malformed(self) -> int:
        """How many events were cut out."""
        return self.cut_out.count

    @property
    def waiting(self) -> int:
        """Bytes of an event that has not ended."""
        return self._whole.waiting

    @property
    def quiet(self) -> bool:
        """True where the last bytes brought no event, or nothing but comments."""
        return self._whole.in_comment if self._whole.waiting else self._silence.lasts

    def thinks(self) -> bool:
        """Say whether the last that came allows for a long silence."""
        return self._format.thinks(self._tail.payloads())

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that have come. Raises: EventTooLarge."""
        whole = self._whole.feed(data)
        if not whole or self.over:
            return b""
        if not self._last:
            whole = whole.removeprefix(BYTE_ORDER_MARK)
        self._watchful = not self.begun or any(word in whole for word in self._last_words)
        passed: list[bytes] = []
        last = self._last
        for event, boundary in events_in(whole):
            if event and self._is_good(event):  # empty lines are nothing
                passed.append(event)
                passed.append(boundary)
        if self._silence.lasts or self._last is last:
            self._silence.note(whole, event=self._last is not last)
        out = b"".join(passed)
        if out:
            self._tail.feed(out)
        return out

    def finish(self) -> tuple[bytes, Ending]:
        """Return the last event where only its blank line is missing, and how it all ended."""
        if rest := self._last_event():
            self._tail.feed(rest)
        ending = self._format.ending(self._tail, self._last)
        if ending is Ending.ERROR:
            return rest, ending
        if not self.begun and self.error is None and self._last:
            self.error = stray_error(decode(self._last))
        if self.error is not None:
            return rest, Ending.CUT
        if not self.cut_out.doubtful:
            return rest, ending
        if ending is Ending.FINISHED:
            # What could not be read came behind the reason of the end, and is no word of it.
            return (rest + _DONE if self.over else rest), ending
        self.error = self.cut_out.error
        return rest, Ending.CUT

    def _last_event(self) -> bytes:
        """Return the last event where only its blank line is missing; drop what is cut off."""
        rest = self._whole.rest()
        if self.over or not rest.strip():
            return b""
        self._watchful = True
        ended = rest.rstrip(b"\r\n")
        before = attrs.evolve(self.cut_out)
        data = data_of(ended)
        if data and self._is_good(ended):
            return ended + b"\n\n"
        if data is None and self.error is None:
            self.error = error_without_data(ended)
        self.cut_out = before  # the half of an event is cut off, not malformed
        return b""

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
                self.cut_out.add(self._last)
            return False
        try:
            passes = self._passes(event, data)
        except NOT_JSON:
            self.cut_out.add(self._last, harmless=is_no_event(data))
            return False
        self._last = data if passes else self._last
        return passes

    def _passes(self, event: bytes, data: bytes) -> bool:
        """Look at the data of an event. Raises: what is in NOT_JSON."""
        if self._names and self._is_misnamed(event, data):
            raise msgspec.DecodeError("its name is not that of its data")
        looked_at = not self.begun or self.cut_out.count
        if looked_at or (self._watchful and any(word in data for word in self._last_words)):
            return self._look_at(decode(data), data)
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
                self.cut_out.add(self._last)
            self._has_names, self._nameless = True, False
            return False
        if name not in self._names and not self._has_names:
            self._nameless = self._nameless or any(word in data for word in _NAMELESS)
            return False
        payload = decode(data)
        kind = payload.get("type") if isinstance(payload, dict) else None
        if not isinstance(kind, str) or kind == "error" or kind.encode() == name:
            return False
        return name in self._names or kind.encode() in self._names

    def _look_at(self, payload: object, data: bytes) -> bool:
        """Note what an event amounts to, and say whether it may pass."""
        self._seen += len(data)
        if not isinstance(payload, dict):
            return True
        stage = self._format.stage(payload)
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
        if self.over:
            self.item_ids = _item_ids_of(payload)
        if stage is Stage.ALIVE:
            self.signs += 1
        elif stage is not Stage.SETUP:
            self.begun = True
        self.begun = self.begun or self._seen > self._limit
        return True

    def _fail(self, data: bytes) -> bool:
        """Note an event that is an error by its name, and say whether it may pass."""
        self.over = True
        self.error = error_in(data)
        try:
            passes = self._format.stage(decode(data)) is Stage.ERROR
        except (*NOT_JSON, AttributeError):
            passes = False
        self._last = data if passes else self._last
        return passes


def _id_of(payload: dict[str, Any]) -> str:
    inner = payload.get("response")
    found = inner.get("id") if isinstance(inner, dict) else None
    return found if isinstance(found, str) else ""


def _item_ids_of(payload: dict[str, Any]) -> tuple[str, ...]:
    inner = payload.get("response")
    items = inner.get("output") if isinstance(inner, dict) else None
    found = items if isinstance(items, list) else ()
    ids = [item.get("id") for item in found if isinstance(item, dict)]
    return tuple(id_ for id_ in ids if isinstance(id_, str))
