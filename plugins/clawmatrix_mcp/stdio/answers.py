"""The messages in an answer of the node, which is one JSON value or a stream of events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import httpx2

from clawmatrix_mcp.stdio.failures import Failed, error_line
from clawmatrix_mcp.stdio.lines import MAX_LINE
from clawmatrix_mcp.stdio.message import Malformed, Message, on_one_line, read_message

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import msgspec

__all__ = ["answer_of", "is_stream", "messages_of"]

_WORDS: Final = {
    401: ("token_refused", "the node refuses the token: is another program at its address?"),
    403: ("refused", "the node's HTTP server refused the request"),
    404: ("no_mcp", "the node has no /mcp: its plugin mcp is off, or the extra mcp is missing"),
    413: ("too_long", "the message is longer than [http] max_body of the node"),
}


def is_stream(response: httpx2.Response) -> bool:
    """Whether the answer is a stream of events."""
    kind, _, _ = response.headers.get("content-type", "").partition(";")
    return response.status_code == httpx2.codes.OK and kind.strip() == "text/event-stream"


async def messages_of(response: httpx2.Response, limit: int = MAX_LINE) -> AsyncGenerator[Message]:
    """Yield the messages of a stream. Raises: Failed; httpx2.HTTPError, where it breaks."""
    try:
        async for event in httpx2.EventSource(response, max_event_size=limit):
            if event.event == "message" and event.data:
                yield _read(event.data.encode())
    except httpx2.SSEError as error:
        raise Failed("bad_answer", f"the node's answer: {error}", may_have_run=True) from None


async def answer_of(response: httpx2.Response, id_: msgspec.Raw, limit: int = MAX_LINE) -> Message:
    """Return the answer to a request that is no stream. Raises: Failed; httpx2.HTTPError."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit:
            raise Failed("too_long", f"the answer is longer than {limit} bytes", may_have_run=True)
    try:
        found = _read(bytes(body))
    except Failed:
        if response.is_success:
            raise
        raise _refusal(response.status_code, bytes(body)) from None
    if found.id is None and not response.is_success and found.method is None:
        return _as_answer(found, response.status_code, id_)
    return found


def _as_answer(found: Message, status: int, id_: msgspec.Raw) -> Message:
    """Return an error that names no request as the answer to this one."""
    error = json.loads(found.line).get("error")
    if not isinstance(error, dict) or "code" not in error:
        raise _refusal(status, found.line)
    words = (error["code"], str(error.get("message", "")), error.get("data"))
    return read_message(error_line(id_, *words))


def _read(text: bytes) -> Message:
    try:
        return read_message(on_one_line(text))
    except Malformed:
        raise Failed("bad_answer", "the node's answer is no message", may_have_run=True) from None


def _refusal(status: int, body: bytes) -> Failed:
    """Return what the HTTP server itself refused, in its own words where they say more."""
    word, message = _WORDS.get(status, ("refused", f"the node answered with status {status}"))
    told = body.decode("utf-8", "replace").strip()[:300]
    if status not in _WORDS and told:
        message += f": {told}"
    return Failed(word, message)
