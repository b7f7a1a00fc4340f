"""Whatever comes, the Messages codec gives valid values of the API or says what is wrong."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clawmatrix_model_proxy.convert.messages.codec import CODEC
from clawmatrix_model_proxy.neutral.answer import Completed, Failed, NeutralAnswer
from clawmatrix_model_proxy.neutral.codec import BadAnswer, Unsupported
from clawmatrix_model_proxy.neutral.request import (
    File,
    Image,
    NeutralRequest,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from tests.plugins.model_proxy.convert.messages.messages_sdk import (
    ANSWERS,
    REQUESTS,
    STREAMS,
    accumulate,
    check_answer,
    check_event,
    check_request,
    events,
    gather,
    load,
    load_stream,
    making,
    payloads,
    written,
)
from tests.plugins.model_proxy.convert.messages.messages_strategies import (
    answers,
    damaged,
    interleaved,
    requests,
)

GIVEN = "The call failed without a word."


@given(st.data())
@settings(deadline=None)
def test_a_damaged_request_is_converted_or_refused(data: st.DataObject) -> None:
    body = data.draw(damaged(load("requests", data.draw(st.sampled_from(REQUESTS)))))
    try:
        request = CODEC.read_request(body)
        msgspec.json.encode(CODEC.write_request(request, max_tokens=1))
    except Unsupported:
        return


@given(st.data())
@settings(deadline=None)
def test_a_damaged_answer_is_converted_or_named_as_such(data: st.DataObject) -> None:
    body = data.draw(damaged(load("answers", data.draw(st.sampled_from(ANSWERS)))))
    try:
        body = CODEC.write_answer(CODEC.read_answer(body), making())
    except BadAnswer:
        return
    check_answer(body)


@given(st.data())
@settings(deadline=None)
def test_a_damaged_stream_is_converted_or_named_as_such(data: st.DataObject) -> None:
    damage = data.draw(damaged(load_stream(data.draw(st.sampled_from(STREAMS)))))
    try:
        stream = events([payload for payload in damage if isinstance(payload, dict)])
    except BadAnswer:
        return
    for payload in payloads(written([e for e in stream if not isinstance(e, Failed)])):
        check_event(payload)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_is_cut_anywhere_has_no_end(name: str) -> None:
    whole = load_stream(name)
    for length in range(len(whole)):
        if whole[length - 1]["type"] != "message_stop" or not length:
            assert Completed() not in events(whole[:length])


@given(requests)
@settings(deadline=None)
def test_any_request_is_written_as_the_api_has_it_and_read_as_it_was_written(
    request_: NeutralRequest,
) -> None:
    body = CODEC.write_request(request_, max_tokens=4096)
    check_request(body)
    roles = [message["role"] for message in body["messages"]]
    assert all(role != after for role, after in pairwise(roles))
    again = CODEC.read_request(body)
    assert CODEC.write_request(again, max_tokens=4096) == body
    assert said_in(again) == said_in(request_)


def said_in(request: NeutralRequest) -> Counter[str]:
    """Return the words of a request, with the calls and results, however they are put together.

    Blank texts are none: the API refuses them, and they are left out. Nor are the words that a
    failed call without any is given, since it has to have some.
    """
    parts = [part for turn in request.turns for part in turn.parts]
    results = [inner for part in parts if isinstance(part, ToolResult) for inner in part.parts]
    words = [p.text for p in [*parts, *results] if isinstance(p, Text | Refusal) and p.text.strip()]
    calls = [part.name for part in parts if isinstance(part, ToolCall)]
    given = ["a result" for part in parts if isinstance(part, ToolResult)]
    seen = ["seen" for part in [*parts, *results] if isinstance(part, Image | File)]
    sealed = [p.sealed for p in parts if isinstance(p, Reasoning) and p.sealed_by == "messages"]
    said = [text for text in words if text != GIVEN]
    return Counter([*said, *calls, *given, *seen, *sealed])


@given(answers)
@settings(deadline=None)
def test_any_answer_is_written_as_the_api_has_it(answer: NeutralAnswer) -> None:
    body = CODEC.write_answer(answer, making())
    check_answer(body)
    again = CODEC.read_answer(body)
    assert CODEC.write_answer(again, making()) == body


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_a_stream_written_with_its_blocks_in_any_order_gives_the_same_message(
    data: st.DataObject,
) -> None:
    answer = data.draw(answers)
    stream = written(data.draw(interleaved(answer)))
    _in_order(payloads(stream))
    body = CODEC.write_answer(answer, making())
    made, whole = accumulate(stream), check_answer(body)
    assert made.to_dict(exclude_none=True) == whole.to_dict(exclude_none=True)
    assert gather(events(payloads(stream))).answer() == CODEC.read_answer(body)


def _in_order(stream: list[dict[str, Any]]) -> None:
    """Fail where blocks do not follow one another, as the API has them."""
    now, count = None, 0
    for payload in stream:
        check_event(payload)
        match payload["type"]:
            case "content_block_start":
                assert (now, payload["index"]) == (None, count)
                now = count
                count += 1
            case "content_block_stop":
                assert payload["index"] == now
                now = None
            case "content_block_delta":
                assert payload["index"] == now
            case _:
                assert now is None


def test_objects_within_objects_are_refused_where_they_are_too_many() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100_000):  # more than code in C goes down, in any Python
        schema = {"a": schema}
    call = {"type": "tool_use", "id": "a", "name": "f", "input": schema}
    with pytest.raises(Unsupported, match="within objects"):
        CODEC.read_request({"messages": [{"role": "assistant", "content": [call]}]})
    with pytest.raises(BadAnswer, match="within objects"):
        CODEC.read_answer({"content": [call]})
    start = {"type": "content_block_start", "index": 0, "content_block": call}
    with pytest.raises(BadAnswer, match="within objects"):
        events([start])
