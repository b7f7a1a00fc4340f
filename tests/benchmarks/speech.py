"""The same answer in each of the three APIs: what the upstream writes, and what clients check."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SPEECHES", "TOKENS", "Speech"]

TOKENS = [f" tok{number:02}" for number in range(97)]
"""They repeat after 97 and no earlier: LiteLLM takes a stream of equal ones for a model gone
astray."""
_CREATED = 1_790_000_000


@attrs.frozen
class Speech:
    """How an API says it.

    Attributes:
        path: where it is asked.
        begin: the events before the words, ready for the wire.
        words: an event for each of ``TOKENS``.
        end: makes the events after the words, which may repeat them.
        whole: a whole answer of eight of them.
        limit: the name of the setting for how many there shall be.
        ask: makes the body of a request, but for its model, ``stream`` and limit.
        text: returns the words that the data of an event has.
        ends: what stands in the last event of a stream that is whole.
    """

    path: str
    begin: bytes
    words: list[bytes]
    end: Callable[[str], bytes]
    whole: bytes
    limit: str
    ask: Callable[[], dict[str, Any]]
    text: Callable[[dict[str, Any]], str]
    ends: bytes


def _event(fields: dict[str, Any], *, named: bool) -> bytes:
    name = f"event: {fields['type']}\n" if named else ""
    return f"{name}data: {json.dumps(fields, separators=(',', ':'))}\n\n".encode()


# --- chat completions


_CHAT = {"id": "chatcmpl-bench", "created": _CREATED, "model": "bench"}
_TURNS = [
    {"role": "system", "content": "You are a benchmark."},
    {"role": "user", "content": "Say something, word by word."},
]
_CHAT_USAGE = {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17}


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    fields = {**_CHAT, "object": "chat.completion.chunk", "choices": [choice]}
    return _event(fields, named=False)


def _chat_text(fields: dict[str, Any]) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in fields["choices"])


_chat = Speech(
    "/chat/completions",
    _chunk({"role": "assistant", "content": ""}),
    [_chunk({"content": token}) for token in TOKENS],
    lambda _: _chunk({}, "stop") + b"data: [DONE]\n\n",
    json.dumps(
        {
            **_CHAT,
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "".join(TOKENS[:8])},
                    "finish_reason": "stop",
                }
            ],
            "usage": _CHAT_USAGE,
        }
    ).encode(),
    "max_tokens",
    lambda: {"messages": _TURNS},
    _chat_text,
    b"[DONE]",
)

# --- Responses


_ITEM = {"id": "msg_bench", "type": "message", "role": "assistant"}
_WHERE = {"item_id": "msg_bench", "output_index": 0, "content_index": 0}
_RESPONSE: dict[str, Any] = {
    "id": "resp_bench",
    "object": "response",
    "created_at": _CREATED,
    "model": "bench",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "temperature": 1.0,
    "top_p": 1.0,
    "tool_choice": "auto",
    "tools": [],
}
_RESPONSES_USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 8,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 17,
}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _typed(kind: str, **fields: Any) -> bytes:
    return _event({"type": kind, "sequence_number": 0, **fields}, named=True)


def _responses_text(fields: dict[str, Any]) -> str:
    return fields["delta"] if fields["type"] == "response.output_text.delta" else ""


def _item(text: str) -> dict[str, Any]:
    return {**_ITEM, "status": "completed", "content": [_part(text)]}


def _completed(text: str) -> dict[str, Any]:
    said = {"status": "completed", "output": [_item(text)], "usage": _RESPONSES_USAGE}
    return {**_RESPONSE, **said}


def _responses_end(text: str) -> bytes:
    return (
        _typed("response.output_text.done", **_WHERE, text=text, logprobs=[])
        + _typed("response.content_part.done", **_WHERE, part=_part(text))
        + _typed("response.output_item.done", output_index=0, item=_item(text))
        + _typed("response.completed", response=_completed(text))
    )


_BEGUN = {**_RESPONSE, "status": "in_progress", "output": [], "usage": None}
_responses = Speech(
    "/responses",
    _typed("response.created", response=_BEGUN)
    + _typed("response.in_progress", response=_BEGUN)
    + _typed(
        "response.output_item.added",
        output_index=0,
        item={**_ITEM, "status": "in_progress", "content": []},
    )
    + _typed("response.content_part.added", **_WHERE, part=_part("")),
    [_typed("response.output_text.delta", **_WHERE, delta=t, logprobs=[]) for t in TOKENS],
    _responses_end,
    json.dumps(_completed("".join(TOKENS[:8]))).encode(),
    "max_output_tokens",
    lambda: {"input": _TURNS},
    _responses_text,
    b"response.completed",
)

# --- Messages


_MESSAGE = {"id": "msg_bench", "type": "message", "role": "assistant", "model": "bench"}
_MESSAGES_USAGE = {"input_tokens": 9, "output_tokens": 8}
_STOPPED = {"stop_reason": "end_turn", "stop_sequence": None}


def _messages_text(fields: dict[str, Any]) -> str:
    delta = fields.get("delta", {}) if fields["type"] == "content_block_delta" else {}
    return str(delta.get("text", ""))


def _message_event(kind: str, **fields: Any) -> bytes:
    return _event({"type": kind, **fields}, named=True)


_messages = Speech(
    "/messages",
    _message_event(
        "message_start",
        message={
            **_MESSAGE,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 9, "output_tokens": 1},
        },
    )
    + _message_event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    [
        _message_event("content_block_delta", index=0, delta={"type": "text_delta", "text": t})
        for t in TOKENS
    ],
    lambda _: (
        _message_event("content_block_stop", index=0)
        + _message_event("message_delta", delta=_STOPPED, usage=_MESSAGES_USAGE)
        + _message_event("message_stop")
    ),
    json.dumps(
        {
            **_MESSAGE,
            **_STOPPED,
            "content": [{"type": "text", "text": "".join(TOKENS[:8])}],
            "usage": _MESSAGES_USAGE,
        }
    ).encode(),
    "max_tokens",
    lambda: {"system": _TURNS[0]["content"], "messages": _TURNS[1:]},
    _messages_text,
    b"message_stop",
)

SPEECHES = {"chat": _chat, "responses": _responses, "messages": _messages}
