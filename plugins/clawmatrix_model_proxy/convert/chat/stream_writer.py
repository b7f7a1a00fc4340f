"""The stream of a chat completion, written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.convert.chat.answer import THOUGHTS
from clawmatrix_model_proxy.convert.chat.call_seals import client_call, thought_seal
from clawmatrix_model_proxy.convert.chat.usage import written_reason, written_usage
from clawmatrix_model_proxy.neutral.answer import (
    Begin,
    Block,
    Close,
    Completed,
    Delta,
    Finish,
    Open,
)

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import BlockKind, Event, Usage
    from clawmatrix_model_proxy.neutral.codec import Making

__all__ = ["ChatWriter"]

_encode = msgspec.json.Encoder().encode
_PLAIN: dict[BlockKind, bytes] = {
    "text": b'{"content":',
    "refusal": b'{"refusal":',
    "reasoning": b'{"reasoning_content":',
    "summary": b'{"reasoning_content":',
}
"""How the delta of a block begins that is a string and nothing else."""


class ChatWriter:
    """Writes one stream. Every chunk has the id, the time and the model of the first."""

    def __init__(self, making: Making) -> None:
        self._making = making
        self._head = b""
        self._null_usage = b',"usage":null' if making.include_usage else b""
        self._tail = b',"logprobs":null,"finish_reason":null}]' + self._null_usage + b"}\n\n"
        self._blocks: dict[int, tuple[bytes, bytes]] = {}
        self._kinds: dict[int, BlockKind] = {}
        self._calls: dict[int, int] = {}
        self._empty_calls: set[int] = set()
        self._thinking: int | None = None
        self._thoughts: dict[int, tuple[Open, list[str]]] = {}
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:
        """Return the bytes of the stream for an event."""
        if type(event) is Delta:
            return self._delta(event)
        match event:
            case Begin():
                return self._begin(event)
            case Open():
                return self._open(event)
            case Close():
                return self._close(event)
            case Finish():
                return self._finish(event)
            case Completed():
                return b"data: [DONE]\n\n"
        return b""

    def _begin(self, event: Begin) -> bytes:
        head = {
            "id": event.id or self._making.new_id("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": event.created or self._making.created,
            "model": event.model or self._making.model,
        }
        self._usage = event.usage
        self._head = b"data: " + _encode(head)[:-1] + b',"choices":['
        return b""

    def _role(self, kind: BlockKind) -> bytes:
        """Return the first chunk, where that is still to come: content is null but before text."""
        if self._kinds:
            return b""
        content = b'""' if kind == "text" else b"null"
        return self._chunk(b'{"role":"assistant","content":%b,"refusal":null}' % content)

    def _open(self, event: Open) -> bytes:
        return self._role(event.kind) + self._open_block(event)

    def _open_block(self, event: Open) -> bytes:
        self._kinds[event.index] = event.kind
        if event.kind in ("tool", "free_tool"):
            return self._open_call(event)
        if event.kind in (*THOUGHTS, "redacted"):
            self._thoughts[event.index] = event, []
        plain = _PLAIN.get(event.kind)
        if plain is None:  # redacted: there is nothing in it to show
            self._blocks[event.index] = b"", b""
            return b""
        before = self._head + b'{"index":0,"delta":' + plain
        self._blocks[event.index] = before, b"}" + self._tail
        return b""

    def _open_call(self, event: Open) -> bytes:
        number = self._calls[event.index] = len(self._calls)
        place, words = (
            ("custom", "input") if event.kind == "free_tool" else ("function", "arguments")
        )
        if event.kind == "tool":
            self._empty_calls.add(event.index)
        own_id = event.id or self._making.new_id("call_")
        inner = {"name": event.name, words: ""}
        call = client_call(own_id, inner, place, event.sealed, event.sealed_by)
        before = b'{"index":0,"delta":{"tool_calls":[{"index":%d,"%s":{"%s":' % (
            number,
            place.encode(),
            words.encode(),
        )
        self._blocks[event.index] = self._head + before, b"}}]}" + self._tail
        return self._chunk(_encode({"tool_calls": [{"index": number, **call}]}))

    def _delta(self, event: Delta) -> bytes:
        before, after = self._blocks[event.index]
        if not before:
            return b""
        kind = self._kinds[event.index]
        if event.logprobs is not None and kind in ("text", "refusal"):
            return self._with_logprobs(event, kind)
        text = event.text
        if kind in THOUGHTS:
            self._thoughts[event.index][1].append(text)
            text = self._apart(event)
        elif kind == "tool" and text:
            self._empty_calls.discard(event.index)
        return b"%b%b%b" % (before, _encode(text), after)

    def _apart(self, event: Delta) -> str:
        """Return the text of thoughts, two lines apart from the block of thoughts before."""
        apart = self._thinking not in (None, event.index)
        self._thinking = event.index
        return f"\n\n{event.text}" if apart else event.text

    def _with_logprobs(self, event: Delta, kind: BlockKind) -> bytes:
        tokens: dict[str, Any] = {"content": None, "refusal": None}
        tokens["content" if kind == "text" else "refusal"] = event.logprobs
        before = self._blocks[event.index][0]
        inner = b'},"logprobs":' + _encode(tokens) + b',"finish_reason":null}]'
        return before + _encode(event.text) + inner + self._null_usage + b"}\n\n"

    def _close(self, event: Close) -> bytes:
        if event.index not in self._empty_calls:
            seal = self._seal(event) if event.sealed else None
            return self._chunk(_encode(seal)) if seal else b""
        before, after = self._blocks[event.index]
        return before + b'"{}"' + after  # arguments are JSON, so none are an empty object

    def _seal(self, event: Close) -> dict[str, Any]:
        opened, pieces = self._thoughts[event.index]
        block = Block(opened.kind, "".join(pieces), opened.id, "", opened.group)
        sealed = msgspec.structs.replace(block, sealed=event.sealed, sealed_by=event.sealed_by)
        return thought_seal(sealed, list(self._thoughts).index(event.index))

    def _finish(self, event: Finish) -> bytes:
        reason = written_reason(event.reason, self._kinds.values())
        last = b'{"index":0,"delta":{},"logprobs":null,"finish_reason":%b}]' % _encode(reason)
        chunk = self._role("text") + self._head + last + self._null_usage + b"}\n\n"
        usage = event.usage or self._usage
        if usage is None or not self._making.include_usage:
            return chunk
        return chunk + self._head + b'],"usage":' + _encode(written_usage(usage)) + b"}\n\n"

    def _chunk(self, delta: bytes) -> bytes:
        return self._head + b'{"index":0,"delta":' + delta + self._tail
