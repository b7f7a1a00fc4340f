"""JSON that is too deep for Python is refused by name, wherever in a request or answer it is."""

from __future__ import annotations

import itertools
import json
import re
import sys
from bisect import bisect_left
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest

from clawmatrix_model_proxy.api import ModelUpstream
from clawmatrix_model_proxy.convert import token_count
from clawmatrix_model_proxy.convert.bridge import Bridge
from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.converted_stream import ConvertedStream
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.neutral.codec import BadAnswer, Codec, Making, Unsupported
from clawmatrix_model_proxy.neutral.request import NeutralRequest, Text, Turn
from clawmatrix_model_proxy.streams.endings import Ending
from clawmatrix_model_proxy.streams.events import ERROR_WORDS
from clawmatrix_model_proxy.streams.formats import FORMATS
from clawmatrix_model_proxy.streams.passthrough import PassthroughStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CODECS: list[Codec] = [chat.CODEC, responses.CODEC, messages.CODEC]
PAIRS = list(itertools.product(CODECS, CODECS))
UPSTREAM = ModelUpstream("m", "http://127.0.0.1:1/v1")
DEEP = r"deep|recursion|objects within objects"
LEVELS = [980, 5_000, 100_000]
"""Up to Python 3.11 too many for whatever goes down into it, and the last for any Python; from
3.12 on code in C goes deeper than code in Python, so that the others may be carried."""
MAY_PASS = sys.version_info >= (3, 12)

REQUESTS = {
    "chat": {
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": "DEEP"}}],
    },
    "responses": {
        "input": "Hi",
        "tools": [{"type": "function", "name": "f", "parameters": "DEEP", "strict": False}],
    },
    "messages": {
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"name": "f", "input_schema": "DEEP"}],
    },
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "tool_use", "id": "t", "name": "f", "input": "DEEP"}],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def deepened(value: object, levels: int) -> bytes:
    return json.dumps(value).replace('"DEEP"', nested(levels)).encode()


def with_arguments(levels: int) -> bytes:
    """Return an answer of Chat Completions, where what is deep is in a string."""
    function = {"name": "f", "arguments": nested(levels)}
    message = {"tool_calls": [{"id": "t", "type": "function", "function": function}]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return json.dumps({"choices": [choice]}).encode()


def edge() -> range:
    """Return numbers of levels: the last that this Python decodes, and a few that it does not."""

    def too_many(levels: int) -> bool:
        try:
            msgspec.json.decode(nested(levels))
        except RecursionError:
            return True
        return False

    first = bisect_left(range(LEVELS[-1]), True, key=too_many)
    return range(first - 12, first + 3)


def said(error: type[Exception], call: Callable[[], object]) -> str:
    """Return the words of this error, none where all goes well."""
    try:
        call()
    except error as one:
        return str(one)
    return ""


def carry(client: Codec, upstream: Codec, body: bytes) -> None:
    bridge = Bridge.read(client, upstream, body, model="m", now=1.0, new_id=lambda letters: letters)
    bridge.written(UPSTREAM)
    token_count.count_method(upstream).write(bridge, UPSTREAM)


def at_depth(levels: int, call: Callable[[], object]) -> None:
    """Call where others have used up a part of the stack."""
    if levels:
        at_depth(levels - 1, call)
    else:
        call()


@contextmanager
def refused(error: type[Exception], levels: int) -> Iterator[None]:
    """Expect this error, or none where this Python goes that deep."""
    caught: Exception | None = None
    try:
        yield
    except error as one:
        caught = one
    if caught is None:
        assert MAY_PASS
        assert levels < LEVELS[-1]
    else:
        assert re.search(DEEP, str(caught))


def making() -> Making:
    request = NeutralRequest("chat", (Turn("user", (Text("Hi"),)),), stream=True)
    return Making(request, "m", 1, lambda letters: f"{letters}1")


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_request_is_refused(client: Codec, upstream: Codec, levels: int) -> None:
    body = deepened(REQUESTS[client.name], levels)
    with refused(Unsupported, levels):
        at_depth(100, partial(carry, client, upstream, body))


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_request_as_deep_as_is_decoded_is_carried_or_refused(
    client: Codec, upstream: Codec
) -> None:
    bodies = [deepened(REQUESTS[client.name], levels) for levels in edge()]
    words = [said(Unsupported, partial(carry, client, upstream, body)) for body in bodies]
    assert all(re.search(DEEP, word) for word in words if word)
    assert words[-1]


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("client", CODECS)
def test_a_whole_answer_is_refused(client: Codec, levels: int) -> None:
    bridge = Bridge(client, messages.CODEC, making().request, making())
    for write in (bridge.whole, bridge.streamed):
        with refused(BadAnswer, levels):
            at_depth(100, partial(write, deepened(MESSAGE, levels)))


@pytest.mark.parametrize("client", CODECS)
@pytest.mark.parametrize(
    ("upstream", "answer"),
    [(messages.CODEC, partial(deepened, MESSAGE)), (chat.CODEC, with_arguments)],
)
def test_a_whole_answer_as_deep_as_is_decoded_is_carried_or_refused(
    client: Codec, upstream: Codec, answer: Callable[[int], bytes]
) -> None:
    bridge = Bridge(client, upstream, making().request, making())
    for write in (bridge.whole, bridge.streamed):
        words = [said(BadAnswer, partial(write, answer(levels))) for levels in edge()]
        # What is too deep in a string is not seen to be an object.
        assert all(re.search(rf"{DEEP}|not a JSON object", word) for word in words if word)
        in_a_string = upstream is chat.CODEC
        decoded = not in_a_string or (client is messages.CODEC and write == bridge.whole)
        assert bool(words[-1]) is decoded


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("client", [chat.CODEC, responses.CODEC])
def test_an_event_is_cut_out_or_refused(client: Codec, levels: int) -> None:
    block = {"type": "tool_use", "id": "t", "name": "f", "input": "DEEP"}
    start = {"type": "content_block_start", "index": 0, "content_block": block}
    begun = json.dumps({"type": "message_start", "message": {**MESSAGE, "content": []}}).encode()
    reader, writer = messages.CODEC.reader(), client.writer(making())
    stream = ConvertedStream(reader, writer, FORMATS[client.name])
    stream.feed(b"data: " + begun + b"\n\n")
    event = b"data: " + deepened(start, levels) + b"\n\n"
    with suppress(BadAnswer):
        at_depth(100, partial(stream.feed, event))
        assert stream.malformed or (MAY_PASS and levels < LEVELS[-1])


def test_an_error_too_deep_to_be_read_is_told_as_it_stands() -> None:
    stream = PassthroughStream(FORMATS["messages"])
    stream.feed(b'data: {"type": "content_block_delta"}\n\n')
    error = b'{"type": "error", "error": ' + b"[" * 5000 + b"]" * 5000 + b"}"
    assert stream.feed(b"event: error\ndata: " + error + b"\n\n") == b""
    assert stream.error == {"message": error[:ERROR_WORDS].decode()}
    assert stream.finish() == (b"", Ending.CUT)
