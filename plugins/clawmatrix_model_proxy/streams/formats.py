"""The APIs that clients and upstreams speak: what an event amounts to, and how errors look.

Each is one value. Nothing here converts one into another; ``convert`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.refusals import anthropic_type
from clawmatrix_model_proxy.streams.endings import Ending
from clawmatrix_model_proxy.streams.failures import (
    Failure,
    chat_failure,
    messages_failure,
    responses_failure,
)
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
from clawmatrix_model_proxy.too_long import TOO_LONG

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_model_proxy.streams.endings import Tail

__all__ = ["FORMATS", "SIDE_CALLS", "Format"]

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
_ANTHROPIC_TOO_LONG = "prompt is too long"
_encode = msgspec.json.Encoder().encode


class Format(msgspec.Struct, frozen=True):
    """An API, as far as requests and answers in it are looked at.

    Attributes:
        name: the word for it between nodes.
        stage: what a decoded event of a stream amounts to.
        ending: how a stream ended, by its tail and its last event with data.
        shape: makes an error's JSON of status, message, type, code and parameter.
        failure: makes what ends a stream that fails, nothing where all has been said.
        streams: whether answers can be streams.
        last_words: an event of a stream that ends or fails it has one of them.
        names: of events which clients drop that have another name.
        thinks: whether a model works on in silence behind these events, the last of a stream.
        too_long: words by which the API's clients know a prompt that is too long; None where
            they know it by a code.
        side: whether it is asked for something beside answers. Such calls decide nothing about
            which upstream is asked for an answer.
    """

    name: str
    stage: Callable[[dict[str, Any]], Stage]
    ending: Callable[[Tail, bytes], Ending]
    shape: Callable[[int, dict[str, Any]], dict[str, Any]]
    failure: Callable[[Failure], bytes]
    streams: bool = True
    last_words: tuple[bytes, ...] = (b"error",)
    names: frozenset[bytes] = frozenset()
    thinks: Callable[[Sequence[dict[str, Any]]], bool] = chat_thinks
    too_long: str | None = None
    side: bool = False

    def error(self, status: int, fields: dict[str, Any]) -> bytes:
        """Return the JSON of an error; ``fields`` has message, type, code and param."""
        words, message = self.too_long, fields["message"]
        if words and fields["code"] == TOO_LONG and words not in message.lower():
            fields = {**fields, "message": f"{words}: {message}"}
        return _encode(self.shape(status, fields))


# --- errors


def _openai_error(status: int, fields: dict[str, Any]) -> dict[str, Any]:
    return {"error": fields}


def _anthropic_error(status: int, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "error",
        "error": {"type": anthropic_type(status), "message": fields["message"]},
    }


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
            chat_failure,
            last_words=CHAT_LAST_WORDS,
        ),
        Format(
            "responses",
            responses_stage,
            _responses_ending,
            _openai_error,
            responses_failure,
            last_words=(b"error", *(end.encode() for end in sorted(RESPONSES_ENDS))),
            thinks=responses_thinks,
        ),
        Format(
            "messages",
            messages_stage,
            _messages_ending,
            _anthropic_error,
            messages_failure,
            last_words=(b"error", b'"message_'),
            names=_MESSAGES_NAMES,
            too_long=_ANTHROPIC_TOO_LONG,
            thinks=messages_thinks,
        ),
        Format(
            "count_tokens",
            messages_stage,
            _messages_ending,
            _anthropic_error,
            messages_failure,
            streams=False,
            too_long=_ANTHROPIC_TOO_LONG,
            side=True,
        ),
        Format(
            "embeddings",
            chat_stage,
            _chat_ending,
            _openai_error,
            chat_failure,
            streams=False,
            side=True,
        ),
    )
}
SIDE_CALLS = frozenset(format.name for format in FORMATS.values() if format.side)
"""The formats that are asked for something beside answers."""
