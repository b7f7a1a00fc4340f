"""Streams of the Messages API, in the neutral form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clawmatrix_model_proxy.convert.limits import StreamLimits
from clawmatrix_model_proxy.neutral.answer import (
    Begin,
    Close,
    Completed,
    Delta,
    Event,
    Failed,
    Finish,
    Gathered,
    Open,
    Usage,
)
from clawmatrix_model_proxy.neutral.codec import BadAnswer
from tests.plugins.model_proxy.convert.messages.messages_sdk import (
    events,
    load_stream,
)

ID, MODEL = "msg_01JQbiTM4fY5BYJmUZCQfSXY", "claude-sonnet-4-5-20250929"
BEGIN = Begin(ID, MODEL, 0, Usage(25, 1))
END = Completed()


def read(name: str) -> list[Event]:
    """Read a stream of the corpus."""
    return events(load_stream(name))


def test_a_text() -> None:
    assert read("text") == [
        BEGIN,
        Open(0, "text"),
        Delta(0, "Stock"),
        Delta(0, "holm"),
        Delta(0, "."),
        Close(0),
        Finish("stop", Usage(25, 15)),
        END,
    ]


def test_calls_of_which_one_has_no_arguments() -> None:
    assert read("parallel_tools") == [
        BEGIN,
        Open(0, "tool", "toolu_01A", "get_weather"),
        Delta(0, '{"city": "Oslo"}'),
        Close(0),
        Open(1, "tool", "toolu_01B", "now"),
        Delta(1, "{}"),
        Close(1),
        Open(2, "tool", "toolu_01C", "get_weather"),
        Delta(2, '{"city": "Ro'),
        Delta(2, 'me"}'),
        Close(2),
        Finish("tool_calls", Usage(25, 15)),
        END,
    ]


def test_thoughts_and_all_the_counts() -> None:
    assert read("thinking") == [
        Begin(ID, MODEL, 0, Usage(2121, 1, cached=2000, cache_written=100)),
        Open(0, "reasoning"),
        Delta(0, "Let me"),
        Delta(0, " see."),
        Close(0, "EqQBCgIYAhIM", "messages"),
        Open(1, "redacted"),
        Close(1, "EmwKAhgB", "messages"),
        Open(2, "text"),
        Delta(2, "12231"),
        Close(2),
        Finish("stop", Usage(2121, 305, cached=2000, cache_written=100, reasoning=250)),
        END,
    ]


def test_a_refusal_is_explained() -> None:
    assert read("refusal")[-5:] == [
        Open(1, "refusal"),
        Delta(1, "This is about a pathogen."),
        Close(1),
        Finish("refusal", Usage(25, 15)),
        END,
    ]


def test_counts_that_come_at_the_end() -> None:
    begin, *_, finish, _ = read("usage_at_the_end")
    assert begin == Begin(ID, MODEL)
    assert finish == Finish("stop", Usage(13, 2, cached=4))


def test_blocks_that_nobody_ends_are_ended_with_the_message() -> None:
    assert read("loose_no_stops") == [
        BEGIN,
        Open(0, "reasoning"),
        Delta(0, "Hm"),
        Open(1, "text"),
        Delta(1, "Hi"),
        Open(2, "tool", "call_1", "now"),
        Delta(2, "{}"),
        Close(0),
        Close(1),
        Close(2),
        Finish("tool_calls", Usage(25, 15)),
        END,
    ]


def test_what_the_start_of_a_block_says_already_is_part_of_it() -> None:
    assert read("loose_input_at_once")[1:4] == [
        Open(0, "tool", "call_1", "get_weather"),
        Delta(0, '{"city":"Oslo"}'),
        Close(0),
    ]
    assert read("loose_words_at_once")[1:] == [
        Open(0, "text"),
        Delta(0, "Hi"),
        Delta(0, " there"),
        Close(0),
        Finish("stop", Usage(25, 16)),
        END,
    ]


def test_only_the_end_of_the_message_is_an_end() -> None:
    assert read("cut") == [BEGIN, Open(0, "text"), Delta(0, "Hi"), Close(0)]


def test_an_error_is_the_last_of_a_stream() -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    assert read("error")[-1] == Failed(error)
    assert events([*load_stream("error"), *load_stream("text")]) == read("error")
    assert events([{"error": "out of memory"}]) == [Failed("out of memory")]


START = {"type": "message_start", "message": {}}
OPEN = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}


def delta(**fields: Any) -> dict[str, Any]:
    """Return a delta for the block 0."""
    return {"type": "content_block_delta", "index": 0, "delta": fields}


@pytest.mark.parametrize(
    "payload",
    [
        START,
        {"type": "message_start"},
        {**OPEN, "index": True},
        {**OPEN, "index": [1]},
        {**OPEN, "index": "first"},
        {**OPEN, "index": "inf"},
        {**OPEN, "index": 1, "content_block": {"type": "server_tool_use"}},
        {**OPEN, "index": 1, "content_block": "text"},
        {**OPEN, "index": 1, "content_block": {"type": "tool_use", "input": [1]}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": ""}},
        {"type": "content_block_delta", "index": [], "delta": {}},
        {"type": "content_block_delta", "index": 0, "delta": "Hi"},
        {"type": "content_block_stop", "index": 1},
        {"type": "content_block_stop", "index": {}},
        delta(type="text_delta"),
        delta(type="text_delta", text=["Hi"]),
        delta(type="thinking_delta", thinking="Hm"),
        delta(type="signature_delta", signature="x"),
        delta(type="compaction_delta", content="x"),
        delta(type=["text_delta"]),
    ],
)
def test_events_that_are_not_of_the_api_are_no_answer(payload: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        events([START, OPEN, payload])


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "message_delta", "delta": {"stop_reason": "server_error"}},
    ],
)
def test_an_end_that_is_not_of_the_api_is_no_answer(payload: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        events([START, OPEN, payload, {"type": "message_stop"}])


# --- calls, apart and whole


def calls(*told: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Return the calls of a stream: id, name and arguments. Raises: BadAnswer."""
    end = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}}
    read = events([START, *told, end, {"type": "message_stop"}])
    limits, gathered = StreamLimits(), Gathered()
    for event in limits.take(read, 0):
        gathered.take(event)
    found = gathered.answer().blocks
    return [(block.id, block.name, json.loads(block.text)) for block in found]


def start(id: Any, name: Any, input: Any = None, **more: Any) -> dict[str, Any]:
    block = {"type": "tool_use", "id": id, "name": name, "input": input}
    return {"type": "content_block_start", "content_block": block, **more}


def said(words: Any, **more: Any) -> dict[str, Any]:
    delta = {"type": "input_json_delta", "partial_json": words}
    return {"type": "content_block_delta", "delta": delta, **more}


def stop(**more: Any) -> dict[str, Any]:
    return {"type": "content_block_stop", **more}


OSLO, BERN = '{"city": "Oslo"}', '{"city": "Bern"}'
TWO = [("a", "weather", {"city": "Oslo"}), ("b", "weather", {"city": "Bern"})]


@pytest.mark.parametrize(
    "told",
    [
        # no numbers, with ends and without
        (
            *(start("a", "weather", {}), said(OSLO), stop()),
            *(start("b", "weather", {}), said(BERN), stop()),
        ),
        (start("a", "weather"), said(OSLO), start("b", "weather"), said(BERN)),
        # all at one number
        (
            *(start("a", "weather", index=0), said(OSLO, index=0)),
            *(start("b", "weather", index=0), said(BERN, index=0), stop(index=0)),
        ),
        # numbers as text, and floats
        (
            *(start("a", "weather", index="0"), start("b", "weather", index="1")),
            *(said(BERN, index="1"), said(OSLO, index="0")),
        ),
        (
            *(start("a", "weather", index=0.0), start("b", "weather", index=1.0)),
            *(said(OSLO[:5], index=0), said(BERN, index=1), said(OSLO[5:], index=0)),
        ),
        # a number in the start only
        (
            *(start("a", "weather", index=0), said(OSLO), stop()),
            *(start("b", "weather", index=1), said(BERN), stop()),
        ),
        # the arguments in the start, in the deltas, or in both; as an object, or as text
        (
            *(start("a", "weather", {"city": "Oslo"}, index=0), stop(index=0)),
            *(start("b", "weather", BERN, index=1), stop(index=1)),
        ),
        (
            *(start("a", "weather", {"city": "Oslo"}, index=0), said(OSLO, index=0)),
            *(start("b", "weather", {}, index=1), said({"city": "Bern"}, index=1)),
        ),
        # the whole once more behind the pieces
        (
            *(start("a", "weather", index=0), said(OSLO[:5], index=0), said(OSLO[5:], index=0)),
            *(said(OSLO, index=0), stop(index=0)),
            *(start("b", "weather", index=1), said(BERN, index=1), said(BERN, index=1)),
        ),
    ],
)
def test_two_calls_are_read_as_two(told: tuple[dict[str, Any], ...]) -> None:
    assert calls(*told) == TWO


def test_ids_that_are_numbers_or_alike_are_told_apart() -> None:
    told = (start(7, "now", index=0), stop(index=0), start(7, "now", index=1), stop(index=1))
    assert calls(*told) == [("7", "now", {}), ("7_2", "now", {})]


@pytest.mark.parametrize(
    "told",
    [
        # whose arguments are these?
        (start("a", "weather"), start("b", "weather"), said(OSLO), said(BERN)),
        (start("a", "now", index=0), start("b", "weather", index=0), said(OSLO, index=0)),
        (start("a", "weather", index=0), start("b", "weather", index=1), said(OSLO)),
        # two objects
        (start("a", "weather", index=0), said(OSLO, index=0), said(BERN, index=0)),
        (start("a", "weather", index=0), said(OSLO + BERN, index=0)),
        # others than those it began with
        (start("a", "weather", {"city": "Oslo"}, index=0), said(BERN, index=0)),
        # half of them, or no name
        (start("a", "weather", index=0), said(OSLO[:5], index=0), stop(index=0)),
        (start("a", "", index=0), said(OSLO, index=0)),
        (start("a", None, index=0), said(OSLO, index=0)),
    ],
)
def test_what_may_be_another_calls_is_no_answer(told: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(BadAnswer):
        calls(*told)
