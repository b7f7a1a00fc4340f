"""An answer in the other form than the client asked for, in one API: its stream or its whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.neutral.failures import BadAnswer, ErrorWords, UpstreamError
from clawmatrix_model_proxy.serving.as_whole import answer_of_events
from clawmatrix_model_proxy.streams.as_stream import events_of_answer
from clawmatrix_model_proxy.streams.endings import Ending
from clawmatrix_model_proxy.streams.events import data_of
from clawmatrix_model_proxy.streams.passthrough import PassthroughStream
from clawmatrix_model_proxy.streams.sse import EventTooLarge, events_in

if TYPE_CHECKING:
    from collections.abc import Collection

    from clawmatrix_model_proxy.streams.formats import Format

__all__ = ["gathered", "streamed"]

_encode = msgspec.json.Encoder().encode


def streamed(format: Format, body: bytes, request: bytes) -> bytes:
    """Return a whole answer as the stream of its API; ``request`` asked for it. Raises: BadAnswer.

    What goes wrong with that is a fault of the upstream's: it was asked for a stream.
    """
    try:
        answer, asked = decode(body), decode(request)
        options = asked.get("stream_options") if isinstance(asked, dict) else None
        usage = isinstance(options, dict) and options.get("include_usage") is True
        if not isinstance(answer, dict):
            raise BadAnswer("the upstream's answer is not a JSON object")
        return events_of_answer(format.name, answer, usage=usage)
    except NOT_JSON as error:
        raise BadAnswer(f"the upstream's answer is not JSON: {error}") from None
    except ValueError as error:
        raise BadAnswer(str(error)) from None


class _Named(msgspec.Struct):
    name: str = ""


class _Tool(msgspec.Struct):
    function: _Named | None = None
    custom: _Named | None = None


class _Asked(msgspec.Struct):
    tools: list[_Tool] | None = None


_read_asked = msgspec.json.Decoder(_Asked).decode


def gathered(format: Format, body: bytes, request: bytes) -> bytes:
    """Return a stream that has come to its end as one answer; ``request`` asked for it.

    Raises: BadAnswer, UpstreamError.
    """
    stream = PassthroughStream(format, limit=len(body))
    try:
        passed = stream.feed(body)
    except EventTooLarge as error:
        raise BadAnswer(str(error)) from None
    rest, ending = stream.finish()
    if stream.error is not None:
        raise UpstreamError(ErrorWords.of(stream.error))
    if ending not in (Ending.DONE, Ending.FINISHED) or not stream.begun:
        raise BadAnswer("the upstream's answer ended in the middle")
    contents = (data_of(event) for event, _ in events_in(passed + rest))
    payloads = (decode(data) for data in contents if data and data != b"[DONE]")
    found = (payload for payload in payloads if isinstance(payload, dict))
    tools = _tool_names(request) if format.name == "chat" else ()
    try:
        return _encode(answer_of_events(format.name, found, tools))
    except ValueError as error:
        raise BadAnswer(str(error)) from None


def _tool_names(request: bytes) -> Collection[str]:
    """Return the names of the tools in a chat request; none where they cannot be read."""
    try:
        tools = _read_asked(request).tools or ()
    except NOT_JSON:
        return ()
    named = (tool.function or tool.custom for tool in tools)
    return frozenset(one.name for one in named if one is not None and one.name)
