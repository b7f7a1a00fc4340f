"""What an answer may come to when it is converted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_model_proxy.convert.bridge import Bridge
from clawmatrix_model_proxy.convert.chat.tool_calls import OPEN_CALLS
from clawmatrix_model_proxy.convert.converted_stream import UpstreamEvents
from clawmatrix_model_proxy.convert.limits import BLOCKS, NAME_LIMIT, STREAM_LIMIT, StreamLimits
from clawmatrix_model_proxy.neutral.answer import Begin, Open
from clawmatrix_model_proxy.neutral.codec import BadAnswer, Making
from clawmatrix_model_proxy.neutral.request import NeutralRequest
from tests.plugins.model_proxy.convert.test_pairs import CODECS

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import Event

REQUEST = NeutralRequest("messages", ())
ROOM = "clawmatrix_model_proxy.convert.limits"


def bridge(client: str = "messages", upstream: str = "chat") -> Bridge:
    making = Making(REQUEST, "m", 1, lambda kind: f"{kind}new", include_usage=False)
    return Bridge(CODECS[client], CODECS[upstream], REQUEST, making)


def whole(calls: int, **more: Any) -> bytes:
    made = [{"id": f"c{n}", "function": {"name": "f", "arguments": "{}"}} for n in range(calls)]
    choice = {"index": 0, "message": {"tool_calls": made}, "finish_reason": "tool_calls"}
    return json.dumps({"id": "a", "choices": [choice], **more}).encode()


def events(upstream: str, *payloads: dict[str, Any]) -> list[Event]:
    read = UpstreamEvents(CODECS[upstream].reader())
    return [
        event for payload in payloads for event in read.feed(b"data: %b\n\n" % json_bytes(payload))
    ]


def json_bytes(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload).encode()


def delta(**fields: Any) -> dict[str, Any]:
    return {"id": "a", "choices": [{"index": 0, "delta": fields}]}


@pytest.mark.bound("clawmatrix_model_proxy.convert.limits.BLOCKS")
def test_a_whole_answer_has_no_more_parts_than_the_bound() -> None:
    assert len(json.loads(bridge().whole(whole(BLOCKS)))["content"]) == BLOCKS
    for read in (bridge().whole, bridge().streamed):
        with pytest.raises(BadAnswer, match="more than 1024 parts"):
            read(whole(BLOCKS + 1))


def test_a_stream_has_no_more_parts_than_the_bound() -> None:
    said = [delta(**{("content", "reasoning")[n % 2]: "x"}) for n in range(BLOCKS)]
    found = events("chat", *said)
    assert sum(isinstance(event, Open) for event in found) == BLOCKS
    with pytest.raises(BadAnswer, match="more than 1024 parts"):
        events("chat", *said, delta(content="x"))


@pytest.mark.bound("clawmatrix_model_proxy.convert.chat.tool_calls.OPEN_CALLS")
def test_calls_without_a_name_count_too() -> None:
    calls = [{"index": n, "function": {"arguments": "{"}} for n in range(OPEN_CALLS)]
    events("chat", delta(tool_calls=calls))
    with pytest.raises(BadAnswer, match="more than 1024 calls"):
        events("chat", delta(tool_calls=[*calls, {"index": OPEN_CALLS}]))


@pytest.mark.bound("clawmatrix_model_proxy.convert.limits.STREAM_LIMIT")
def test_a_stream_that_is_converted_has_no_more_bytes_than_the_bound() -> None:
    limits = StreamLimits()
    assert limits.take([], STREAM_LIMIT) == []
    with pytest.raises(BadAnswer, match="too many to convert"):
        limits.take([], 1)


@pytest.mark.bound("clawmatrix_model_proxy.convert.limits.NAME_LIMIT")
def test_long_names_that_would_stand_in_each_event_are_replaced() -> None:
    most, more = "i" * NAME_LIMIT, "i" * (NAME_LIMIT + 1)
    [begin, *_] = events("chat", {**delta(content="x"), "id": most, "model": more})
    assert begin == Begin(most, "")
    answer = json.loads(bridge().whole(whole(1, id=more, model=more)))
    assert (answer["id"], answer["model"]) == ("msg_new", "m")


def test_the_long_id_of_a_thought_is_replaced() -> None:
    item = {"type": "reasoning", "id": "rs_" + "x" * 5000}
    said = {"type": "response.reasoning_text.delta", "item_id": item["id"], "delta": "x"}
    found = events("responses", {"type": "response.output_item.added", "item": item}, said)
    assert [event.id for event in found if isinstance(event, Open)] == [""]
