"""Writes a stream of the Messages API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.convert.messages.answer import stop_details
from clawmatrix_model_proxy.convert.messages.usage import write_reason, write_usage
from clawmatrix_model_proxy.neutral.answer import Begin, Close, Delta, Finish, Open
from clawmatrix_model_proxy.neutral.codec import BadAnswer
from clawmatrix_model_proxy.neutral.sealed import mark, sealed_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_model_proxy.neutral.answer import BlockKind, Event
    from clawmatrix_model_proxy.neutral.codec import Making

__all__ = ["MessagesWriter"]

_encode = msgspec.json.Encoder().encode
_STOPPED = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":%s'
_DELTA_END = b"}}\n\n"
_TEXT = b'{"type":"text_delta","text":'
_DELTAS: dict[BlockKind, bytes] = {
    "text": _TEXT,
    "refusal": _TEXT,
    "reasoning": b'{"type":"thinking_delta","thinking":',
    "summary": b'{"type":"thinking_delta","thinking":',
    "tool": b'{"type":"input_json_delta","partial_json":',
}
_THOUGHTS = ("reasoning", "summary")
_NOTHING = Open(-1, "text")


class MessagesWriter:
    """Writes one stream; see ``codec.StreamWriter``.

    In this API one block follows another. What comes for a block while an earlier one is open is
    kept until that one is whole.
    """

    def __init__(self, making: Making) -> None:
        self._making = making
        self._begin = Begin()
        self._kinds: set[BlockKind] = set()
        self._now = -1
        self._kept: dict[int, list[Open | Delta | Close]] = {}
        self._block = _BlockWriter(making)

    def write(self, event: Event) -> bytes:
        """Return the bytes of the stream for an event.

        Raises: BadAnswer, for a call with text, which no client of this API can have allowed.
        """
        match event:
            case Delta():
                if event.index == self._now:
                    return self._block.delta(event)
                self._kept[event.index].append(event)
                return b""
            case Open():
                self._kinds.add(event.kind)
                self._kept[event.index] = [event]
                return self._next() if self._now < 0 else b""
            case Close():
                if event.index != self._now:
                    self._kept[event.index].append(event)
                    return b""
                self._now = -1
                return self._block.close(event) + self._next()
            case Begin():
                self._begin = event
                return _started(event, self._making)
            case Finish():
                return self._block.end() + self._finished(event)
            case _:
                return _STOPPED

    def _next(self) -> bytes:
        """Write what was kept, up to the first block that is not whole."""
        written: list[bytes] = []
        while self._kept and self._now < 0:
            self._now = next(iter(self._kept))  # blocks have their numbers in the order of opening
            for event in _together(self._kept.pop(self._now)):
                match event:
                    case Open():
                        written.append(self._block.open(event))
                    case Delta():
                        written.append(self._block.delta(event))
                    case Close():
                        written.append(self._block.close(event))
                        self._now = -1
        return b"".join(written)

    def _finished(self, finish: Finish) -> bytes:
        kinds = self._kinds
        reason = write_reason(finish.reason, calls="tool" in kinds, refused="refusal" in kinds)
        delta = {
            "stop_reason": reason,
            "stop_sequence": finish.stop_sequence,
            **stop_details(reason),
        }
        usage = write_usage(finish.usage if finish.usage is not None else self._begin.usage)
        return _event("message_delta", delta=delta, usage=usage)


def _together(events: list[Open | Delta | Close]) -> Iterator[Open | Delta | Close]:
    """Yield the events of one block, with its pieces as one."""
    pieces = [event.text for event in events if isinstance(event, Delta)]
    yield events[0]
    if pieces:
        yield Delta(events[0].index, "".join(pieces))
    if isinstance(events[-1], Close):
        yield events[-1]


class _BlockWriter:
    """Writes blocks, one at a time.

    One that would be empty is left out, since a client that sends it back is refused. One of a
    thought of several paragraphs ends when it is known that what follows is not of that thought.
    """

    def __init__(self, making: Making) -> None:
        self._new_id = making.new_id
        self._index = -1
        self._opened = _NOTHING
        self._started = False
        self._prefix = b""  # of a delta, once a first one has been written
        self._joint = ""
        self._sealed = ""

    def open(self, opened: Open) -> bytes:
        """Begin with a block, which may be the next paragraph of a thought."""
        if opened.kind == "free_tool":
            raise BadAnswer(f"a call of {opened.name!r} with text has no place in Messages")
        if _same_thought(self._opened, opened):
            self._prefix = b""
            self._joint = "\n\n" if self._started else ""
            return b""
        ended = self.end()
        self._opened = opened
        return ended + self._start() if opened.kind == "tool" else ended

    def delta(self, delta: Delta) -> bytes:
        """Write more of the block."""
        if self._prefix:
            return self._prefix + _encode(delta.text) + _DELTA_END
        if not delta.text:
            return b""
        started = b"" if self._started else self._start()
        self._prefix = _DELTA % (self._index, _DELTAS[self._opened.kind])
        text = self._joint + delta.text
        return started + self._prefix + _encode(text) + _DELTA_END

    def close(self, close: Close) -> bytes:
        """Note that the block is whole, and end it where it is not one of several paragraphs."""
        self._sealed = mark(close.sealed, close.sealed_by, "messages") or self._sealed
        lingers = self._opened.kind in _THOUGHTS and self._opened.group != -1
        return b"" if lingers else self.end()

    def end(self) -> bytes:
        """End the block, if there is one."""
        started = self._start() if self._sealed and not self._started else b""
        signed = stopped = b""
        if self._sealed and self._opened.kind in _THOUGHTS:
            signature = {"type": "signature_delta", "signature": self._sealed}
            signed = _event("content_block_delta", index=self._index, delta=signature)
        if self._started:
            stopped = _event("content_block_stop", index=self._index)
        self._opened, self._started = _NOTHING, False
        self._prefix, self._joint, self._sealed = b"", "", ""
        return started + signed + stopped

    def _start(self) -> bytes:
        self._index += 1
        self._started = True
        return _event("content_block_start", index=self._index, content_block=self._content())

    def _content(self) -> dict[str, Any]:
        opened = self._opened
        match opened.kind:
            case "tool":
                own_id = opened.id or self._new_id("toolu_")
                call_id = sealed_id(own_id, opened.sealed, opened.sealed_by)
                return {"type": "tool_use", "id": call_id, "name": opened.name, "input": {}}
            case "redacted":
                return {"type": "redacted_thinking", "data": self._sealed}
            case "reasoning" | "summary":
                return {"type": "thinking", "thinking": "", "signature": ""}
            case _:
                return {"type": "text", "text": ""}


def _same_thought(before: Open, opened: Open) -> bool:
    thoughts = before.kind in _THOUGHTS and opened.kind in _THOUGHTS
    return thoughts and before.group == opened.group != -1


def _started(begin: Begin, making: Making) -> bytes:
    message: dict[str, Any] = {
        "id": begin.id or making.new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": begin.model or making.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": write_usage(begin.usage),
    }
    return _event("message_start", message=message)


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), _encode({"type": kind, **fields}))
