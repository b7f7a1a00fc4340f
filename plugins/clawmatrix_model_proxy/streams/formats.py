"""The APIs that clients and upstreams speak: what an event amounts to, and how errors look.

Each is one value. Nothing here converts one into another; ``convert`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.refusals import anthropic_type
from clawmatrix_model_proxy.streams.endings import Ending
from clawmatrix_model_proxy.streams.life import chat_thinks, messages_thinks, responses_thinks
from clawmatrix_model_proxy.streams.stages import (
    CHAT_LAST_WORDS,
    MESSAGES_END,
    RESPONSES_ENDS,
    Stage,
    chat_stage,
    ends_response,
    messages_stage,
    responses_stage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_model_proxy.streams.endings import Tail

__all__ = ["FORMATS", "Format"]

_MESSAGES_NAMES = frozenset(
    (
        b"message_start",
        b"content_block_start",
        b"content_block_delta",
        b"content_block_stop",
        b"message_delta",
        b"message_stop",
    )
)
_encode = msgspec.json.Encoder().encode


@attrs.frozen
class Format:
    """An API, as far as requests and answers in it are looked at.

    Attributes:
        name: the word for it between nodes.
        stage: what a decoded event of a stream amounts to.
        ending: how a stream ended, by its tail and its last event with data.
        shape: makes an error's JSON of status, message, type, code and parameter.
        event: makes the event that ends a stream of an error's JSON and the last bytes sent.
        streams: whether answers can be streams.
        last_words: an event of a stream that ends or fails it has one of them.
        names: of events which clients drop that have another name.
        thinks: whether a model works on in silence behind these events, the last of a stream.
    """

    name: str
    stage: Callable[[dict[str, Any]], Stage]
    ending: Callable[[Tail, bytes], Ending]
    shape: Callable[[int, dict[str, Any]], dict[str, Any]]
    event: Callable[[bytes, bytes], bytes]
    streams: bool = True
    last_words: tuple[bytes, ...] = (b"error",)
    names: frozenset[bytes] = frozenset()
    thinks: Callable[[Sequence[dict[str, Any]]], bool] = chat_thinks

    def error(self, status: int, fields: dict[str, Any]) -> bytes:
        """Return the JSON of an error; ``fields`` has message, type, code and param."""
        return _encode(self.shape(status, fields))


# --- errors


def _openai_error(status: int, fields: dict[str, Any]) -> dict[str, Any]:
    return {"error": fields}


def _anthropic_error(status: int, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "error",
        "error": {"type": anthropic_type(status), "message": fields["message"]},
    }


def _on_one_line(body: bytes) -> bytes:
    # A line break in JSON can only stand between its parts.
    return body.replace(b"\r", b" ").replace(b"\n", b" ")


def _chat_event(body: bytes, last: bytes) -> bytes:
    return b"data: " + _on_one_line(body) + b"\n\n"


def _responses_event(body: bytes, last: bytes) -> bytes:
    # ``error`` stands in it once more as a member, which is what the official clients raise for.
    error = _member(body, "error")
    fields = {
        "type": "error",
        "code": error.get("code"),
        "message": error.get("message", ""),
        "param": error.get("param"),
        "sequence_number": _last_number(last) + 1,
        "error": error,
    }
    return b"event: error\ndata: " + _encode(fields) + b"\n\n"


def _messages_event(body: bytes, last: bytes) -> bytes:
    return b"event: error\ndata: " + _on_one_line(body) + b"\n\n"


def _member(body: bytes, name: str) -> dict[str, Any]:
    try:
        found = decode(body)
    except NOT_JSON:
        return {}
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, dict) else {}


def _last_number(sent: bytes) -> int:
    _, mark, behind = sent.rpartition(b'"sequence_number":')
    digits = behind.strip().split(b",")[0].split(b"}")[0].strip() if mark else b""
    return int(digits) if digits.isdigit() and len(digits) < 16 else -1


# --- endings


def _chat_ending(tail: Tail, last: bytes) -> Ending:
    return tail.ending()


def _typed_ending(done: frozenset[str], failed: frozenset[str]) -> Callable[[Tail, bytes], Ending]:
    """Return how streams end whose last event says so by its type."""

    def ending(tail: Tail, last: bytes) -> Ending:
        kind = _type_of(last)
        if kind in done or (kind.startswith("response.") and ends_response(decode(last))):
            return Ending.DONE
        return Ending.ERROR if kind in failed else Ending.CUT

    return ending


class _Typed(msgspec.Struct):
    type: str = ""


_read_type = msgspec.json.Decoder(_Typed).decode


def _type_of(data: bytes) -> str:
    try:
        return _read_type(data).type
    except NOT_JSON:
        return ""


_responses_ending = _typed_ending(
    RESPONSES_ENDS,
    frozenset({"response.failed", "error"}),
)
_messages_ending = _typed_ending(frozenset({MESSAGES_END}), frozenset({"error"}))

FORMATS = {
    format.name: format
    for format in (
        Format(
            "chat",
            chat_stage,
            _chat_ending,
            _openai_error,
            _chat_event,
            last_words=CHAT_LAST_WORDS,
        ),
        Format(
            "responses",
            responses_stage,
            _responses_ending,
            _openai_error,
            _responses_event,
            last_words=(b"error", *(end.encode() for end in sorted(RESPONSES_ENDS))),
            thinks=responses_thinks,
        ),
        Format(
            "messages",
            messages_stage,
            _messages_ending,
            _anthropic_error,
            _messages_event,
            last_words=(b"error", b'"message_'),
            names=_MESSAGES_NAMES,
            thinks=messages_thinks,
        ),
        Format(
            "count_tokens",
            messages_stage,
            _messages_ending,
            _anthropic_error,
            _messages_event,
            streams=False,
        ),
        Format(
            "embeddings",
            chat_stage,
            _chat_ending,
            _openai_error,
            _chat_event,
            streams=False,
        ),
    )
}
