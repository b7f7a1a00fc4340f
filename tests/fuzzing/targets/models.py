"""What clients ask and upstreams answer: requests, answers and streams of every API."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_core.base.errors import ExchangeError, ExchangeFailure
from clawmatrix_gemini.codec import GeminiCodec
from clawmatrix_model_proxy.api import ModelUpstream
from clawmatrix_model_proxy.convert import token_count
from clawmatrix_model_proxy.convert.bridge import Bridge
from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.converted_stream import ConvertedStream
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.errors import (
    ApiError,
    convert_upstream_error,
    from_exchange,
    wrap_upstream_error,
)
from clawmatrix_model_proxy.faults import fault_of_event, fault_of_status
from clawmatrix_model_proxy.neutral.codec import BadAnswer, Making, Unsupported
from clawmatrix_model_proxy.neutral.request import NeutralRequest, Text, Turn
from clawmatrix_model_proxy.request_body import read_wanted, with_model
from clawmatrix_model_proxy.streams.endings import Ending
from clawmatrix_model_proxy.streams.events import data_of
from clawmatrix_model_proxy.streams.failures import Failure
from clawmatrix_model_proxy.streams.formats import FORMATS
from clawmatrix_model_proxy.streams.passthrough import PassthroughStream
from clawmatrix_model_proxy.streams.sse import EventTooLarge, WholeEvents, events_in
from clawmatrix_model_proxy.wire import read_head, read_opening
from tests.fuzzing.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_model_proxy.neutral.codec import Codec, UpstreamCodec
    from clawmatrix_model_proxy.streams.answer_stream import AnswerStream

__all__ = ["TARGETS"]

CODECS: tuple[Codec, ...] = (chat.CODEC, responses.CODEC, messages.CODEC)
UPSTREAMS: tuple[UpstreamCodec, ...] = (*CODECS, GeminiCodec())
DATA = Path(__file__).parents[2] / "data" / "models"
UPSTREAM = ModelUpstream("m", "http://127.0.0.1:1/v1", upstream_model="there", max_tokens=100)
ASKED = NeutralRequest("chat", (Turn("user", (Text("Hi"),)),), stream=True)


def _making(request: NeutralRequest = ASKED) -> Making:
    ids = itertools.count()
    return Making(request, "m", 1_700_000_000, lambda letters: f"{letters}{next(ids)}", True)


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return data.decode(errors="replace")


def _files(api: str, kind: str) -> list[bytes]:
    return [file.read_bytes() for file in sorted((DATA / api / kind).glob("*.json"))]


def _lines(data: bytes) -> bytes:
    return json.dumps(json.loads(data)).encode()


def _pieces(data: bytes) -> list[bytes]:
    """Return the bytes as they may come, one time so, another time so: by what they are."""
    random = Random(data[:64])
    most = random.choice((1, 3, 40, 4000))
    pieces, at = [], 0
    if most == 1 and len(data) > 2000:
        most = 200
    while at < len(data):
        size = random.randint(1, most)
        pieces.append(data[at : at + size])
        at += size
    return pieces


# --- requests


def _request_to(client: Codec) -> Callable[[bytes], None]:
    def request(data: bytes) -> None:
        """Read a client's request, and write it for each upstream."""
        ids = itertools.count()

        def new_id(letters: str) -> str:
            return f"{letters}{next(ids)}"

        for upstream in UPSTREAMS:
            try:
                bridge = Bridge.read(client, upstream, data, model="m", now=1.0, new_id=new_id)
                msgspec.json.decode(bridge.written(UPSTREAM))
                token_count.count_method(upstream).write(bridge, UPSTREAM)
            except Unsupported as error:
                str(error).encode()

    return request


def passed_request(data: bytes) -> None:
    """Read what a client wants, and name its model as the upstream does."""
    wanted = read_wanted(data)
    assert read_wanted(with_model(data, "other")).model == "other"
    assert with_model(data, wanted.model) == data


# --- whole answers


def _answer_of(upstream: UpstreamCodec) -> Callable[[bytes], None]:
    def answer(data: bytes) -> None:
        """Read an upstream's answer, and write it for each client, in one piece and as a stream."""
        for client in CODECS:
            bridge = Bridge(client, upstream, ASKED, _making())
            for write in (bridge.whole, bridge.streamed, token_count.count_method(upstream).read):
                try:
                    write(data)
                except BadAnswer as error:
                    str(error).encode()

    return answer


# --- streams


def _feed(stream: AnswerStream, pieces: list[bytes]) -> tuple[bytes, Any]:
    """Return what a client gets, and how it ends; None where the upstream's stream is none."""
    out = b""
    try:
        for piece in pieces:
            out += stream.feed(piece)
        rest, ending = stream.finish()
        assert ending is not Ending.ERROR or stream.error is not None
    except (BadAnswer, EventTooLarge) as error:
        return _evened(out), type(error)
    return _evened(out + rest), ending


def _evened(stream: bytes) -> bytes:
    """Return a stream with one blank line between events: more mean nothing."""
    return re.sub(rb"[\r\n]{2,}", b"\n\n", stream).strip()


def _stream_of(upstream: UpstreamCodec) -> Callable[[bytes], None]:
    def stream(data: bytes) -> None:
        """Read a stream however it comes, for each client: it does not matter how."""
        for client in CODECS:
            if client is upstream:
                continue

            def make(client: Codec = client) -> AnswerStream:
                reader, writer = upstream.reader(new_id=str), client.writer(_making())
                return ConvertedStream(reader, writer, FORMATS[client.name])

            told, cut = _feed(make(), [data]), _feed(make(), _pieces(data))
            assert told[1] == cut[1]
            if told[1] is not BadAnswer:
                assert told[0] == cut[0]

    return stream


def passed_stream(data: bytes) -> None:
    """Pass a stream on, and see how it ended: however it comes, the same goes on."""
    for name in ("chat", "responses", "messages"):
        told = _feed(PassthroughStream(FORMATS[name]), [data])
        assert _feed(PassthroughStream(FORMATS[name]), _pieces(data)) == told
        fields = {"message": "words", "type": "t", "param": None, "code": None}
        format = FORMATS[name]
        for sent in (False, True):
            format.failure(Failure(format.error(502, fields), data, data, sent))


def events(data: bytes) -> None:
    """Split a stream into its events."""
    pieces = _pieces(data)
    whole, once, unlimited = WholeEvents(), WholeEvents(), WholeEvents(limited=False)
    found = [event for piece in pieces for event, _ in events_in(whole.feed(piece))]
    assert _data([event for event, _ in events_in(once.feed(data))]) == _data(found)
    assert data_of(once.rest().rstrip(b"\r\n")) == data_of(whole.rest().rstrip(b"\r\n"))
    out = b"".join(unlimited.feed(piece) for piece in pieces)
    assert out + unlimited.rest() == data


def _data(events: list[bytes]) -> list[bytes]:
    """Return the data of events; what has none, as blank lines, means nothing."""
    return [data for event in events if (data := data_of(event))]


def _streams(api: str) -> list[bytes]:
    streams = []
    for file in sorted((DATA / api / "streams").glob("*.jsonl")):
        events_of = []
        for line in file.read_bytes().splitlines():
            data = b"[DONE]" if line == b'"[DONE]"' else line
            kind = json.loads(line).get("type") if line.startswith(b"{") else None
            head = b"event: " + kind.encode() + b"\n" if kind and api != "chat" else b""
            events_of.append(head + b"data: " + data + b"\n\n")
        streams.append(b"".join(events_of))
    return streams + [one.replace(b"\n", b"\r\n") for one in streams[:2]]


def _all_streams() -> list[bytes]:
    return [one for codec in CODECS for one in _streams(codec.name)[:8]]


# --- errors, and what nodes say to each other


def upstream_error(data: bytes) -> None:
    """Take an upstream's error: what it means, and what the client is told."""
    for status in (400, 429, 500):
        headers = {"retry-after": data[:40].decode("latin-1")}
        fault = fault_of_status(status, data, headers, 1_700_000_000.0)
        assert fault.wait is None or fault.wait >= 0
        str(fault).encode()
        for format in FORMATS.values():
            json.loads(convert_upstream_error(status, data, format))
            json.loads(wrap_upstream_error(status, data, format))
    fault_of_event(_json(data))


def node_answer(data: bytes) -> None:
    """Take what another node says of a request, or of its answer."""
    payload = _json(data)
    for read in (read_opening, read_head):
        try:
            read(payload)
        except ExchangeError as error:
            from_exchange(error, "node").body()
    from_exchange(ExchangeFailure("cannot_convert", "words", detail=payload), "node").body()


def _errors() -> list[bytes]:
    error = {"message": "words", "type": "rate_limit_error", "code": "slow_down", "param": "x"}
    bodies = ({"error": error}, {"type": "error", "error": error}, {"error": "words"}, [error])
    dates = (b"Wed, 21 Oct 2015 07:28:00 GMT", b"12.5")
    return [json.dumps(body).encode() for body in bodies] + list(dates)


def _told() -> list[bytes]:
    opening = {"format": "chat", "model": "m", "stream": True, "upstream": 1, "headers": {"a": "b"}}
    head = {"status": 200, "contentType": "text/event-stream", "upstreamMs": 1.5, "headers": {}}
    return [json.dumps(one).encode() for one in (opening, head, {"param": "messages[0]"})]


def _request_target(codec: Codec) -> Target:
    api, request = codec.name, _request_to(codec)
    return Target(
        f"{api} request", request, lambda: [_lines(one) for one in _files(api, "requests")]
    )


def _answer_targets(codec: UpstreamCodec) -> list[Target]:
    api = codec.name
    return [
        Target(
            f"{api} answer",
            _answer_of(codec),
            lambda: [_lines(one) for one in _files(api, "answers")],
        ),
        Target(f"{api} stream", _stream_of(codec), lambda: _streams(api)),
    ]


TARGETS = [
    *(_request_target(codec) for codec in CODECS),
    *(target for codec in UPSTREAMS for target in _answer_targets(codec)),
    Target(
        "passed request",
        passed_request,
        lambda: [_lines(one) for one in _files("chat", "requests")],
        (ApiError,),
    ),
    Target("passed stream", passed_stream, _all_streams),
    Target("events", events, _all_streams, (EventTooLarge,)),
    Target("upstream error", upstream_error, _errors),
    Target("node's answer", node_answer, _told),
]
