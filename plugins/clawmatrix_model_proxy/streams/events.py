"""One event of an upstream's stream: its data, the error it may be, and whether it is damaged."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from clawmatrix_core import Bound
from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.streams.sse import lines_in
from clawmatrix_model_proxy.streams.stages import error_of

__all__ = [
    "ERROR_WORDS",
    "LINES",
    "data_of",
    "error_before_done",
    "error_in",
    "error_without_data",
    "is_no_event",
    "named_error",
    "stray_error",
]

LINES = Bound(
    4096,
    "lines of one event of a stream",
    fed_by="an upstream",
    when_full="the event is cut out",
)
ERROR_WORDS = 2000
"""Characters of an error which are repeated in messages."""

_encode = msgspec.json.Encoder().encode
_NAMED_ERROR = re.compile(rb"(?:^|[\r\n])event: ?error[ \t]*(?:[\r\n]|$)")
_PLAIN = re.compile(rb"event: [\w./:-]+\ndata: ([^\r\n]*+)\Z")
"""What most events of an API that names them are; the rest of this is for the others."""
_LINES = re.compile(rb"\r\n|\n|\r")
_WORDS = ("detail", "message", "msg", "error_message", "error_msg", "errors", "status_msg")
"""Where servers have the words of an error that stands alone, without ``error`` around it."""
_FIELD = re.compile(rb'data:|event:(?!.*[{}])|(?!error:[ \t]*[^ \t])[^:{}"][^{}"]*\Z|\Z', re.DOTALL)
"""What a line of an event is, but for a comment. One that no event has was data once if it has a
mark of JSON, and is an error where it says so; else it is nothing."""
_MEMBER = re.compile(rb'"(?:choices|delta|index|message|response|sequence_number)"[ \t]*:')
"""What a comment has that was data once, before a byte of it was damaged."""
_MARKS = re.compile(rb'[{}"]')
"""What every event of an API has, and no word that a server sends to keep a connection."""


def data_of(event: bytes) -> bytes | None:
    """Return the data of an event, empty where it has none; None where some of it is lost."""
    if event.startswith(b"data: ") and b"\n" not in event and b"\r" not in event:
        return event[6:].strip()
    plain = _PLAIN.match(event)
    if plain is not None:
        return plain[1].strip()
    if lines_in(event) > LINES:
        return None
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
    """Return the error in lines that form no event; some servers send one like that."""
    for line in _LINES.split(event) if lines_in(event) <= LINES else ():
        if line.startswith(b"error:"):
            return error_in(line[6:].strip())
        if line.startswith(b"{"):
            try:
                payload = decode(line)
            except NOT_JSON:
                continue
            if payload.get("error") or payload.get("object") == "error":
                return error_of(payload)
    return None


def stray_error(payload: object) -> Any:
    """Return the error that JSON is which is nothing of an answer; None where it has no words."""
    if not isinstance(payload, dict):
        return None
    if isinstance(inner := payload.get("base_resp"), dict):
        payload = inner
    found = next((payload[name] for name in _WORDS if payload.get(name)), None)
    if not isinstance(found, str | list) and "detail" not in payload:
        return None
    words = found if isinstance(found, str) else _encode(found).decode()
    code = next((payload[n] for n in ("code", "status_code", "status") if payload.get(n)), None)
    return {"message": words[:ERROR_WORDS], "type": payload.get("type"), "code": code}


def error_before_done(data: bytes) -> Any:
    """Return the error that the last data before ``[DONE]`` is; None where it is of the answer.

    What has choices is of a chat completion, which is the API that has the mark.
    """
    return stray_error(decode(data)) if data and b'"choices"' not in data else None


def error_in(data: bytes) -> Any:
    """Return the error that the data of an event is, or what words it has."""
    try:
        payload = decode(data)
    except NOT_JSON:
        payload = None
    if isinstance(payload, dict):
        return error_of(payload)
    words = data.decode(errors="replace")[:ERROR_WORDS]
    return {"message": words or "the upstream ended with an error"}
