"""How a stream of each API ends with an error, so that every kind of client shows it. Pure.

Clients of Responses look at different events: OpenAI's SDKs raise for ``error``, and Codex, which
ignores it, shows the reason in ``response.failed``. So a stream that fails ends with both, first
``error``, as OpenAI's own server sends them.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from clawmatrix_core import Bound
from clawmatrix_model_proxy.error_text import error_text
from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.streams.events import data_of
from clawmatrix_model_proxy.streams.sse import events_in
from clawmatrix_model_proxy.too_long import TOO_LONG

__all__ = ["FIRST", "Failure", "chat_failure", "messages_failure", "responses_failure"]

FIRST = Bound(
    64 * 1024,
    "bytes of the beginning of a stream that are kept, for the id of an answer that fails",
    fed_by="an upstream",
    when_full="the rest of the beginning is not kept",
)

_ID = re.compile(rb'"response"\s*:\s*\{[^{}]*?"id"\s*:\s*"([\x21\x23-\x5b\x5d-\x7e]{1,256})"')
_CODES = frozenset({"server_error", "rate_limit_exceeded", "invalid_prompt", TOO_LONG})
"""Codes that clients know in ``response.failed``."""
_RATES = frozenset({"rate_limit_error", "insufficient_quota"})
_encode = msgspec.json.Encoder().encode


class Failure(msgspec.Struct, frozen=True):
    """A stream that fails.

    Attributes:
        body: the JSON of the error, in the API's shape.
        first: the beginning of what was sent, empty where nothing was.
        last: the last bytes that were sent.
        told: an error of the upstream's own is among them.
    """

    body: bytes
    first: bytes = b""
    last: bytes = b""
    told: bool = False


def chat_failure(failure: Failure) -> bytes:
    """Return the last event of a stream of chat completions that fails."""
    return b"" if failure.told else b"data: " + _on_one_line(failure.body) + b"\n\n"


def messages_failure(failure: Failure) -> bytes:
    """Return the last event of a stream of Messages that fails."""
    return b"" if failure.told else b"event: error\ndata: " + _on_one_line(failure.body) + b"\n\n"


def responses_failure(failure: Failure) -> bytes:
    """Return the last events of a stream of Responses that fails: those that were not sent yet."""
    told = _events(failure.last) if failure.told else []
    sent = {kind for kind, event in told if kind != "error" or event.get("error")}
    error, number = _error_of(failure.body), _last_number(failure.last)
    events = b""
    if "error" not in sent:
        number += 1
        # The error stands in it once more as a member, which is what the SDKs raise for: they
        # raise for no event without one.
        fields = {**error, "type": "error", "sequence_number": number, "error": error}
        events += b"event: error\ndata: " + _encode(fields) + b"\n\n"
    if "response.failed" not in sent:
        failed = {
            "type": "response.failed",
            "sequence_number": number + 1,
            "response": _failed(error, failure.first),
        }
        events += b"event: response.failed\ndata: " + _encode(failed) + b"\n\n"
    return events


def _error_of(body: bytes) -> dict[str, Any]:
    """Return the fields of an error: the code and the type are texts, or nothing."""
    said = error_text(body)
    try:
        found = decode(body)
    except NOT_JSON:
        found = None
    error = found.get("error") if isinstance(found, dict) else None
    fields = error if isinstance(error, dict) else {}
    texts = {
        name: value if isinstance(value := fields.get(name), str) else None
        for name in ("code", "type", "param")
    }
    return {"message": said.message, **texts}


def _failed(error: dict[str, Any], first: bytes) -> dict[str, Any]:
    """Return a response that failed, with what its beginning said of it."""
    known = next((one["response"] for kind, one in _events(first) if _is_begun(kind, one)), None)
    if known is None:
        match = _ID.search(first)
        known = {} if match is None else {"id": match[1].decode()}
    empty: dict[str, Any] = {
        "id": "resp_failed",
        "object": "response",
        "created_at": 0,
        "model": "",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    told = {"code": _code(error), "message": error["message"]}
    return {**empty, **known, "status": "failed", "error": told, "incomplete_details": None}


def _is_begun(kind: str, event: dict[str, Any]) -> bool:
    return kind in ("response.created", "response.in_progress", "response.queued") and isinstance(
        event.get("response"), dict
    )


def _code(error: dict[str, Any]) -> str:
    """Return the code of an error among those that clients know there."""
    if error["code"] in _CODES:
        return str(error["code"])
    limited = error["code"] in _RATES or error["type"] in _RATES
    return "rate_limit_exceeded" if limited else "server_error"


def _events(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Return the events that can be read, each with its type."""
    found = []
    for event, _ in events_in(data):
        try:
            payload = decode(data_of(event) or b"")
        except NOT_JSON:
            continue
        if isinstance(payload, dict) and isinstance(kind := payload.get("type"), str):
            found.append((kind, payload))
    return found


def _on_one_line(body: bytes) -> bytes:
    # A line break in JSON can only stand between its parts.
    return body.replace(b"\r", b" ").replace(b"\n", b" ")


def _last_number(sent: bytes) -> int:
    _, mark, behind = sent.rpartition(b'"sequence_number":')
    digits = behind.strip().split(b",")[0].split(b"}")[0].strip() if mark else b""
    return int(digits) if digits.isdigit() and len(digits) < 16 else -1
