"""What grows with the input of others grows with it, and no faster: counted, see ``tests.work``."""

from __future__ import annotations

import gzip
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core import NodeId
from clawmatrix_gemini.codec import GeminiCodec
from clawmatrix_model_proxy.api import ModelUpstream
from clawmatrix_model_proxy.asking.catalog import Catalog, read_offers
from clawmatrix_model_proxy.convert.bridge import Bridge
from clawmatrix_model_proxy.convert.converted_stream import ConvertedStream, UpstreamEvents
from clawmatrix_model_proxy.convert.one_call import with_one_call
from clawmatrix_model_proxy.convert.token_count import count_method
from clawmatrix_model_proxy.errors import ApiError, convert_upstream_error, wrap_upstream_error
from clawmatrix_model_proxy.faults import fault_of_status
from clawmatrix_model_proxy.http.inflater import Inflater
from clawmatrix_model_proxy.http.reader import ResponseReader
from clawmatrix_model_proxy.json_values import has_more_values
from clawmatrix_model_proxy.neutral.answer import Block, NeutralAnswer
from clawmatrix_model_proxy.neutral.codec import Making
from clawmatrix_model_proxy.neutral.request import NeutralRequest
from clawmatrix_model_proxy.neutral.sealed import sealed_id, without_seals
from clawmatrix_model_proxy.offer import make_offer
from clawmatrix_model_proxy.request_body import read_wanted, with_model
from clawmatrix_model_proxy.streams.endings import Tail
from clawmatrix_model_proxy.streams.events import data_of, error_without_data
from clawmatrix_model_proxy.streams.formats import FORMATS
from clawmatrix_model_proxy.streams.passthrough import PassthroughStream
from clawmatrix_model_proxy.streams.sse import WholeEvents, events_in, portions
from tests.plugins.model_proxy.asking.test_catalog import Known
from tests.plugins.model_proxy.convert.test_pairs import CODECS
from tests.work import Seen, assert_linear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_model_proxy.neutral.codec import UpstreamCodec

    Streams = Callable[[int], list[dict[str, Any]]]

UPSTREAMS: dict[str, UpstreamCodec] = {**CODECS, "gemini": GeminiCodec()}
PAIRS = [(client, upstream) for client in CODECS for upstream in UPSTREAMS]
MODEL = ModelUpstream("m", "http://127.0.0.1:1/v1")
every_pair = pytest.mark.parametrize(("client", "upstream"), PAIRS)


def sse(payload: dict[str, Any]) -> bytes:
    name = b"event: %b\n" % payload["type"].encode() if "type" in payload else b""
    return Seen(name + b"data: " + json.dumps(payload).encode() + b"\n\n")


# --- requests


def chat_request(count: int) -> dict[str, Any]:
    """Return a conversation with parts, calls, results and tools, each as often as ``count``."""
    parts = [{"type": "text", "text": "x"}] * count
    messages: list[dict[str, Any]] = [{"role": "system", "content": "x"}] * count
    messages += [{"role": "user", "content": parts}]
    for at in range(count):
        call = {"id": f"c{at}", "type": "function", "function": {"name": "f0", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": "x", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{at}", "content": "x"},
        ]
    calls = [{"id": f"d{n}", "function": {"name": "f0", "arguments": "{}"}} for n in range(count)]
    results = [{"role": "tool", "tool_call_id": f"d{n}", "content": ""} for n in range(count)]
    messages += [{"role": "assistant", "tool_calls": calls}, *results]
    schema = {"type": "object", "properties": {f"p{n}": {} for n in range(count)}}
    tools = [{"type": "function", "function": {"name": f"f{n}"}} for n in range(count)]
    tools += [{"type": "function", "function": {"name": "s", "parameters": schema}}]
    return {"messages": messages, "tools": tools}


def messages_request(count: int) -> dict[str, Any]:
    """Return the same for Messages."""
    turns: list[dict[str, Any]] = [{"role": "user", "content": [text("x")] * count}]
    for at in range(count):
        call = {"type": "tool_use", "id": f"c{at}", "name": "f0", "input": {}}
        result = {"type": "tool_result", "tool_use_id": f"c{at}", "content": [text("x")]}
        turns += [
            {"role": "assistant", "content": [text("x"), call]},
            {"role": "user", "content": [result, text("y")]},
        ]
    calls = [{"type": "tool_use", "id": f"d{n}", "name": "f0", "input": {}} for n in range(count)]
    results = [{"type": "tool_result", "tool_use_id": f"d{n}"} for n in range(count)]
    turns += [{"role": "assistant", "content": calls}, {"role": "user", "content": results}]
    tools = [{"name": f"f{n}", "input_schema": {"type": "object"}} for n in range(count)]
    return {"system": [text("x")] * count, "messages": turns, "tools": tools, "max_tokens": 5}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def responses_request(count: int) -> dict[str, Any]:
    """Return the same for Responses."""
    said = {"type": "message", "role": "user"}
    items: list[dict[str, Any]] = [
        {**said, "content": [{"type": "input_text", "text": "x"}] * count}
    ]
    for at in range(count):
        items += [
            {"type": "message", "role": "developer", "content": "x"},
            {"type": "reasoning", "id": f"rs_{at}", "summary": [], "encrypted_content": "x"},
            {"type": "function_call", "call_id": f"c{at}", "name": "f0", "arguments": "{}"},
            {"type": "function_call_output", "call_id": f"c{at}", "output": "x"},
        ]
    tools = [{"type": "function", "name": f"f{n}", "parameters": {}} for n in range(count)]
    inner = [{"type": "function", "name": f"g{n}", "parameters": {}} for n in range(count)]
    return {"input": items, "tools": [*tools, {"type": "namespace", "name": "n", "tools": inner}]}


REQUESTS = {"chat": chat_request, "messages": messages_request, "responses": responses_request}


def request_of(client: str, count: int) -> bytes:
    return json.dumps({"model": "m", **REQUESTS[client](count)}).encode()


def bridge_of(client: str, upstream: str, body: bytes) -> Bridge:
    return Bridge.read(
        CODECS[client],
        UPSTREAMS[upstream],
        body,
        model="m",
        now=1.0,
        new_id=lambda kind: kind + "1",
    )


@every_pair
def test_converting_a_request(client: str, upstream: str) -> None:
    def convert(body: bytes) -> None:
        bridge_of(client, upstream, body).written(MODEL)

    assert_linear(convert, partial(request_of, client), 8)


@pytest.mark.parametrize("calls_too", [True, False], ids=["calls and results", "results"])
def test_pairing_calls_and_results_of_one_id(calls_too: bool) -> None:
    def request(count: int) -> bytes:
        call = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
        calls = {"role": "assistant", "tool_calls": [call] * (count if calls_too else 1)}
        results = [{"role": "tool", "tool_call_id": "a", "content": "x"}] * count
        return json.dumps({"model": "m", "messages": [calls, *results]}).encode()

    def convert(body: bytes) -> None:
        bridge_of("chat", "messages", body).written(MODEL)

    assert_linear(convert, request, 10)


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_asking_for_the_tokens_of_a_request(upstream: str) -> None:
    def ask(body: bytes) -> None:
        bridge = bridge_of("messages", upstream, body)
        count_method(bridge.upstream).write(bridge, MODEL)

    assert_linear(ask, partial(request_of, "messages"), 8)


def test_what_is_read_of_a_request_that_is_passed_on() -> None:
    def read(body: bytes) -> None:
        read_wanted(body)
        with_model(without_seals(body), "other")

    def many(count: int) -> bytes:
        ids = [{"id": sealed_id(f"c{at}", "seal", "gemini")} for at in range(count)]
        more = {f"k{at}": ids[:1] for at in range(min(count, 1000))}
        return json.dumps({"model": "m", "messages": ids, **more}).encode()

    assert_linear(read, many, 100)


def test_counting_the_values_of_a_text() -> None:
    words = json.dumps("," * 2_000_000).encode()
    assert_linear(has_more_values, lambda n: b"[" + b'"x",' * n + words + b"]", 1000)


# --- streams


def chat(**delta: Any) -> dict[str, Any]:
    return {"id": "a", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def chat_calls(count: int) -> list[dict[str, Any]]:
    made = [{"index": n, "id": f"c{n}", "function": {"name": "f"}} for n in range(count)]
    said = [{"index": n, "function": {"arguments": "{"}} for n in range(count)]
    rest = [{"index": n, "function": {"arguments": "}"}} for n in reversed(range(count))]
    return [chat(tool_calls=[call]) for call in (*made, *said, *rest)]


def chat_early(count: int) -> list[dict[str, Any]]:
    pieces = [chat(tool_calls=[{"index": 0, "function": {"arguments": "x" * 50}}])] * count
    return [*pieces, chat(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f"}}])]


def chat_logprobs(count: int) -> list[dict[str, Any]]:
    token = {"token": "x", "logprob": -0.1, "bytes": [120], "top_logprobs": []}
    said = chat(content="x")
    said["choices"][0]["logprobs"] = {"content": [token]}
    return [said] * count


def messages_blocks(count: int) -> list[dict[str, Any]]:
    """Return blocks that are all open before the first one ends."""
    block = {"type": "tool_use", "name": "f", "input": {}}
    starts = [
        {"type": "content_block_start", "index": n, "content_block": {**block, "id": f"c{n}"}}
        for n in range(count)
    ]
    delta = {"type": "input_json_delta", "partial_json": "{}"}
    deltas = [{"type": "content_block_delta", "index": n, "delta": delta} for n in range(count)]
    return [*starts, *deltas, *({"type": "content_block_stop", "index": n} for n in range(count))]


def responses_items(count: int) -> list[dict[str, Any]]:
    """Return thoughts with many paragraphs, and texts that are told of again and again."""
    said = {"item_id": "i", "output_index": 0}
    paragraphs = [
        {"type": "response.reasoning_summary_text.delta", **said, "summary_index": n, "delta": "x"}
        for n in range(count)
    ]
    again = [
        {"type": "response.output_text.delta", "item_id": "j", "output_index": 1, "delta": "x"},
        {"type": "response.output_text.done", "item_id": "j", "output_index": 1, "text": ""},
    ] * count
    return [*paragraphs, *again]


def responses_calls(count: int) -> list[dict[str, Any]]:
    count = -(-count // 5)  # no more than an answer may have
    call = {"type": "function_call", "name": "f", "arguments": ""}
    added = [
        {"type": "response.output_item.added", "output_index": n, "item": {**call, "id": f"f{n}"}}
        for n in range(count)
    ]
    delta = {"type": "response.function_call_arguments.delta", "delta": "{}"}
    return [*added, *({**delta, "item_id": f"f{n}", "output_index": n} for n in range(count))]


def gemini(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}, "index": 0}]}


GEMINI_PARTS: list[dict[str, Any]] = [{"text": "x"}, {"functionCall": {"name": "f"}}]
STREAMS: dict[str, tuple[str, Streams]] = {
    "chat texts": ("chat", lambda n: [chat(content="x" * 50)] * n),
    "chat thoughts between": ("chat", lambda n: [chat(content="x"), chat(reasoning="y")] * n),
    "chat calls": ("chat", chat_calls),
    "chat arguments before a name": ("chat", chat_early),
    "chat logprobs": ("chat", chat_logprobs),
    "messages blocks": ("messages", messages_blocks),
    "messages pings": ("messages", lambda n: [{"type": "ping"}] * n),
    "responses items": ("responses", responses_items),
    "responses calls": ("responses", responses_calls),
    "gemini texts": ("gemini", lambda n: [gemini({"text": "x"})] * n),
    "gemini calls": ("gemini", lambda n: [gemini({"functionCall": {"name": "f"}})] * n),
    "gemini parts": (
        "gemini",
        lambda n: [gemini(*GEMINI_PARTS * n)],
    ),
}
MAKING = Making(NeutralRequest("chat", ()), "m", 1, lambda kind: kind + "1", include_usage=False)


def pieces_of(payloads: Iterable[dict[str, Any]]) -> list[bytes]:
    return [sse(payload) for payload in payloads]


@pytest.mark.parametrize("client", CODECS)
@pytest.mark.parametrize("kind", STREAMS)
def test_converting_a_stream(kind: str, client: str) -> None:
    upstream, make = STREAMS[kind]

    def convert(pieces: list[bytes]) -> None:
        reader = UPSTREAMS[upstream].reader(new_id=lambda kind: kind + "1")
        stream = ConvertedStream(reader, CODECS[client].writer(MAKING), FORMATS[client])
        for piece in pieces:
            stream.feed(piece)
        stream.finish()

    assert_linear(convert, lambda count: pieces_of(make(count)), 5)


@pytest.mark.parametrize("client", CODECS)
@pytest.mark.parametrize("kind", ["chat texts", "chat calls", "chat logprobs"])
def test_gathering_a_stream(kind: str, client: str) -> None:
    upstream, make = STREAMS[kind]
    end = chat()
    end["choices"][0]["finish_reason"] = "stop"
    bridge = Bridge(CODECS[client], UPSTREAMS[upstream], MAKING.request, MAKING)

    def gather(body: bytes) -> None:
        events = UpstreamEvents(bridge.reader())
        bridge.gathered([*events.feed(body), *events.finish()])

    assert_linear(gather, lambda count: b"".join(pieces_of([*make(count), end])), 5)


@pytest.mark.parametrize("format", ["chat", "responses", "messages"])
@pytest.mark.parametrize(
    "piece",
    [
        b"data: {}\n\n",
        b'data: {"type":"x","error":null,"choices":[{"delta":{"content":"x"}}]}\n\n',
        b": comment\n\n",
        b"\n\n",
        b"\r",
        b"data: {\n\n",
        b'event: ping\r\ndata: {"type":"ping"}\r\n\r\n',
    ],
)
def test_passing_a_stream_on(piece: bytes, format: str) -> None:
    def pass_on(pieces: list[bytes]) -> None:
        stream = PassthroughStream(FORMATS[format])
        for one in pieces:
            for portion in portions(one):
                stream.feed(portion)
        stream.finish()

    assert_linear(pass_on, lambda count: [Seen(piece)] * count, 50)
    assert_linear(pass_on, lambda count: [Seen(piece * count)], 150)


@pytest.mark.parametrize("piece", [b"x", b"data: x\r\n", b"data: x\n", b"\r\n", b"x\r"])
@pytest.mark.parametrize("limited", [True, False])
def test_finding_the_end_of_an_event_in_small_pieces(piece: bytes, limited: bool) -> None:
    def feed(pieces: list[bytes]) -> None:
        whole = WholeEvents(limited=limited)
        for one in pieces:
            list(events_in(whole.feed(one)))
        whole.rest()

    assert_linear(feed, lambda count: [Seen(piece)] * count, 100)


@pytest.mark.parametrize("line", [b"data: 1\n", b"{\n", b"x: y\n", b"error: x\r", b'{"a":1}\n'])
def test_looking_at_the_lines_of_an_event(line: bytes) -> None:
    def look(event: bytes) -> None:
        data_of(event)
        error_without_data(event)

    assert_linear(look, lambda count: line * count, 50)


def test_keeping_the_end_of_a_stream() -> None:
    def keep(pieces: list[bytes]) -> None:
        tail = Tail()
        for piece in pieces:
            tail.feed(piece)
        tail.ending()

    assert_linear(keep, lambda count: pieces_of([chat(content="x")]) * count, 100)


# --- whole answers


def chat_answer(count: int) -> dict[str, Any]:
    call = {"function": {"name": "f", "arguments": "{}"}}
    token = {"token": "x", "logprob": -0.1, "bytes": [120], "top_logprobs": []}
    message = {"content": "x", "tool_calls": [{**call, "id": f"c{n}"} for n in range(count)]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "a" * count, "choices": [{**choice, "logprobs": {"content": [token] * count}}]}


def messages_answer(count: int) -> dict[str, Any]:
    call = {"type": "tool_use", "name": "f", "input": {}}
    content = [block for n in range(count) for block in (text("x"), {**call, "id": f"c{n}"})]
    return {"id": "a", "content": content, "stop_reason": "end_turn", "usage": {}}


def responses_answer(count: int) -> dict[str, Any]:
    call = {"type": "function_call", "name": "f", "arguments": "{}"}
    parts = [{"type": "output_text", "text": "x"}] * count
    calls = [{**call, "id": f"f{n}", "call_id": f"c{n}"} for n in range(-(-count // 5))]
    output = [{"type": "message", "id": "m", "content": parts}, *calls]
    return {"id": "a", "status": "completed", "output": output}


ANSWERS: dict[str, Callable[[int], dict[str, Any]]] = {
    "chat": chat_answer,
    "messages": messages_answer,
    "responses": responses_answer,
    "gemini": lambda n: gemini(*GEMINI_PARTS * n) | {"usageMetadata": {}},
}


@every_pair
def test_converting_a_whole_answer(client: str, upstream: str) -> None:
    bridge = Bridge(CODECS[client], UPSTREAMS[upstream], MAKING.request, MAKING)

    def make(count: int) -> bytes:
        answer = ANSWERS[upstream](count)
        for candidate in answer.get("candidates", ()):
            candidate["finishReason"] = "STOP"
        return json.dumps(answer).encode()

    def convert(body: bytes) -> None:
        bridge.whole(body)
        bridge.streamed(body)

    assert_linear(convert, make, 5)


def test_leaving_out_the_calls_behind_the_first() -> None:
    def answer(count: int) -> NeutralAnswer:
        blocks = tuple(Block("tool", "{}", f"c{n}", "f") for n in range(count))
        return NeutralAnswer("a", "m", 1, blocks, "tool_calls")

    assert_linear(with_one_call, answer, 20)


@pytest.mark.parametrize("convert", [wrap_upstream_error, convert_upstream_error])
@pytest.mark.parametrize("body", [b"x y\n", b'{"error":'])
def test_converting_an_error(convert: Callable[..., bytes], body: bytes) -> None:
    def both(whole: bytes) -> None:
        convert(500, whole, FORMATS["messages"])
        fault_of_status(500, whole, {}, 0.0)

    assert_linear(both, lambda count: body * count, 500)


# --- what is compressed, and how HTTP frames it


@pytest.mark.parametrize("part", [b"", b"a", b"a" * 5000])
def test_opening_what_is_compressed(part: bytes) -> None:
    def open_all(packed: bytes) -> None:
        inflater = Inflater()
        opened = inflater.feed(packed)
        while opened or inflater.waiting:
            opened = inflater.feed(b"")

    assert_linear(open_all, lambda count: Seen(gzip.compress(part) * count), 500)


def test_reading_an_answer_in_small_chunks() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

    def read(pieces: list[bytes]) -> None:
        reader = ResponseReader()
        for piece in (head, *pieces):
            reader.feed(piece)
            reader.take()

    assert_linear(read, lambda count: [b"1\r\na\r\n" * 10] * count, 20)


# --- models


def offers(count: int) -> list[dict[str, Any]]:
    return [{"id": f"m{n}", "upstreams": 2} for n in range(count)]


def test_reading_what_a_node_offers_and_listing_it() -> None:
    names = [NodeId("a"), NodeId("b")]

    def read(entries: list[dict[str, Any]]) -> None:
        served = [one for name in names for one in read_offers(name, entries)]
        catalog = Catalog(served, names, Known(tuple(names)), NodeId("home"))
        list(catalog.list(lambda _: True))
        catalog.resolve("a/m0", lambda _: True)

    assert_linear(read, offers, 20)


def test_making_an_offer() -> None:
    assert_linear(
        make_offer, lambda n: [ModelUpstream(f"m{at}", "http://127.0.0.1/v1") for at in range(n)]
    )


@pytest.mark.bound("clawmatrix_model_proxy.request_body.MODEL_NAME")
def test_a_name_of_a_model_is_not_split_at_any_number_of_slashes() -> None:
    read_wanted(json.dumps({"model": "a/" * 256}).encode())
    with pytest.raises(ApiError, match="512 characters"):
        read_wanted(json.dumps({"model": "a/" * 257}).encode())
