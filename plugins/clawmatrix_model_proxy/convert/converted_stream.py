"""A stream of an upstream's API, converted into one of the client's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_model_proxy.convert.limits import StreamLimits
from clawmatrix_model_proxy.errors import from_event
from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.neutral.answer import (
    Close,
    Completed,
    Delta,
    Failed,
    Finish,
    Open,
)
from clawmatrix_model_proxy.neutral.depth import answer_depth
from clawmatrix_model_proxy.streams.cut_out import CutOut
from clawmatrix_model_proxy.streams.endings import Ending
from clawmatrix_model_proxy.streams.events import (
    data_of,
    error_in,
    error_without_data,
    is_no_event,
    named_error,
    stray_error,
)
from clawmatrix_model_proxy.streams.failures import FIRST, Failure
from clawmatrix_model_proxy.streams.formats import FORMATS
from clawmatrix_model_proxy.streams.sse import (
    BYTE_ORDER_MARK,
    EVENT_LIMIT,
    Silence,
    WholeEvents,
    events_in,
)
from clawmatrix_model_proxy.streams.stages import Stage, error_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_model_proxy.neutral.answer import Event
    from clawmatrix_model_proxy.neutral.codec import StreamReader, StreamWriter
    from clawmatrix_model_proxy.streams.formats import Format

__all__ = ["ConvertedStream", "UpstreamEvents"]

_THOUGHTS = ("reasoning", "summary", "redacted")


class UpstreamEvents:
    """The events of an upstream's stream, out of its bytes as they come.

    Attributes:
        cut_out: the events that could not be read. Where one of them may have been a part of
            the answer, the stream fails instead of having an end.
        begun: whether the answer has begun, as whoever reads the events says.
        signs: how many events said before that the model works.
    """

    def __init__(
        self, reader: StreamReader, upstream: str = "", *, limit: int = int(EVENT_LIMIT)
    ) -> None:
        """Make one for the API ``upstream``; ``limit`` is the bytes that an event may have."""
        self.cut_out = CutOut()
        self.begun, self.signs = False, 0
        self._reader = reader
        self._format = FORMATS.get(upstream)
        self._whole = WholeEvents(limit=limit)
        self._silence = Silence()
        self._limits = StreamLimits()
        self._last = b""

    @property
    def waiting(self) -> int:
        """Bytes of an event that has not ended."""
        return self._whole.waiting

    @property
    def quiet(self) -> bool:
        """True where the last bytes brought no event, or nothing but comments."""
        return self._whole.in_comment if self._whole.waiting else self._silence.lasts

    def thinks(self) -> bool:
        """Say whether the last event allows for a long silence, as its API has it."""
        last = decode(self._last) if self._last else None
        return self._format is not None and isinstance(last, dict) and self._format.thinks([last])

    def stray_error(self) -> Any:
        """Return the error that the last event is, where it was nothing of an answer."""
        return stray_error(decode(self._last)) if self._last else None

    @answer_depth()
    def feed(self, data: bytes) -> list[Event]:
        """Return what has come. Raises: EventTooLarge, BadAnswer."""
        events: list[Event] = []
        whole = self._whole.feed(data)
        if not self._last:
            whole = whole.removeprefix(BYTE_ORDER_MARK)
        last = self._last
        for event, _ in events_in(whole):
            if event:  # empty lines are nothing
                events += self._read(event)
        if self._silence.lasts or self._last is last:
            self._silence.note(whole, event=self._last is not last)
        return self._limits.take(events, len(data))

    @answer_depth()
    def finish(self) -> list[Event]:
        """Return what the end amounts to. Raises: BadAnswer."""
        rest = self._whole.rest().rstrip(b"\r\n")
        before = attrs.evolve(self.cut_out)
        events = list(self._read(rest)) if rest else []
        if self.cut_out.count > before.count:
            self.cut_out = before  # the half of an event is cut off, not malformed
        return self._limits.take([*events, *self._end(marked=False)], len(rest))

    def _read(self, event: bytes) -> Iterable[Event]:
        data = data_of(event)
        if b"error" in event and named_error(event):
            return (Failed(error_in(data or b"")),)
        if data is None:
            error = error_without_data(event)
            return self._cut() if error is None else (Failed(error),)
        if data == b"[DONE]":
            return self._end(marked=not self.cut_out.doubtful)
        if not data:
            return ()  # a comment
        try:
            payload = decode(data)
        except NOT_JSON:
            return self._cut(harmless=is_no_event(data))
        if not isinstance(payload, dict):
            return self._cut(harmless=True)
        self._last = data
        if payload.get("object") == "error":
            return (Failed(error_of(payload)),)
        if not self.begun and self._format is not None:
            self.signs += self._format.stage(payload) is Stage.ALIVE
        events = self._reader.read(payload)
        if not self.cut_out.count:
            return events
        self.cut_out.settle(data)
        return self._without_doubt(events)

    def _cut(self, *, harmless: bool = False) -> Iterable[Event]:
        # Behind the reason of an end there is no word of the answer.
        finished = getattr(self._reader, "finished", False)
        self.cut_out.add(self._last, harmless=harmless or finished)
        return ()

    def _end(self, *, marked: bool) -> Iterable[Event]:
        events = list(self._without_doubt(self._reader.done(marked=marked)))
        return events or ((Failed(self.cut_out.error),) if self.cut_out.doubtful else ())

    def _without_doubt(self, events: Iterable[Event]) -> Iterable[Event]:
        """Return events, with a failure for the end of what may have a hole: of a call too."""
        if not self.cut_out.doubtful:
            return events
        found = list(events)
        ends = [at for at, one in enumerate(found) if isinstance(one, Close | Finish | Completed)]
        return [*found[: ends[0]], Failed(self.cut_out.error)] if ends else found


class ConvertedStream:
    """What the client gets of an upstream's stream; see ``AnswerStream``."""

    def __init__(
        self,
        reader: StreamReader,
        writer: StreamWriter,
        format: Format,
        upstream: str = "",
        *,
        limit: int = int(EVENT_LIMIT),
    ) -> None:
        """Make one.

        Args:
            reader: of the upstream's stream.
            writer: of the client's.
            format: the client's API.
            upstream: the name of the upstream's.
            limit: bytes that an event of the upstream's may have.
        """
        self.begun = False
        self.error: Any = None
        self.answer_id = ""
        self.item_ids: tuple[str, ...] = ()
        self._events = UpstreamEvents(reader, upstream, limit=limit)
        self._thought = False
        self._writer = writer
        self._format = format
        self._ended = False
        self._first = self._last = b""

    @property
    def malformed(self) -> int:
        """How many events were cut out."""
        return self._events.cut_out.count

    @property
    def signs(self) -> int:
        """How many events said that the model works before it said anything."""
        return self._events.signs

    @property
    def waiting(self) -> int:
        """Bytes of an event that has not ended."""
        return self._events.waiting

    @property
    def quiet(self) -> bool:
        """True where the last bytes brought no event, or nothing but comments."""
        return self._events.quiet

    def thinks(self) -> bool:
        """Say whether the last that came allows for a long silence."""
        return self._thought or self._events.thinks()

    @property
    def over(self) -> bool:
        """True once the API's own end, or an error, has come."""
        return self._ended or self.error is not None

    @answer_depth()
    def feed(self, data: bytes) -> bytes:
        """Return what the client gets of it. Raises: EventTooLarge, BadAnswer."""
        return self._write(self._events.feed(data))

    @answer_depth()
    def finish(self) -> tuple[bytes, Ending]:
        """Return the last of it, and how the stream ended. Raises: BadAnswer."""
        said = self._ended
        rest = self._write(self._events.finish())
        if not self.begun and self.error is None:
            self.error = self._events.stray_error()
        if self.error is not None:
            return rest, Ending.ERROR
        if said:
            return rest, Ending.DONE
        return rest, Ending.FINISHED if self._ended else Ending.CUT

    def _write(self, events: list[Event]) -> bytes:
        written: list[bytes] = []
        for event in events:
            if self._ended or self.error is not None:
                break
            if isinstance(event, Failed):
                self.error = event.error
                if self.begun:
                    written.append(self._failure(b"".join(written)))
                break
            if not self.begun and _means(event):
                self.begun = self._events.begun = True
            if type(event) is Open:
                self._thought = event.kind in _THOUGHTS
            self._ended = isinstance(event, Completed)
            written.append(self._writer.write(event))
        out = b"".join(written)
        self._first = self._first or out[:FIRST]
        self._last = out or self._last
        return out

    def _failure(self, written: bytes) -> bytes:
        body = from_event(self.error).body(self._format)
        first = self._first or written[:FIRST]
        return self._format.failure(Failure(body, first, written or self._last))


def _means(event: Event) -> bool:
    """Say whether an event is more than set-up."""
    match event:
        case Delta():
            return bool(event.text)
        case Open():
            return event.kind in ("tool", "free_tool", "redacted")
        case Close():
            return bool(event.sealed)
        case _:
            return isinstance(event, Finish | Completed)
