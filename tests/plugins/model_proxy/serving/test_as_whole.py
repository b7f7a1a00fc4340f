"""Streams as whole answers of their own API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_model_proxy.serving.as_whole import answer_of_events
from tests.plugins.model_proxy.convert.chat.call_servers import SAID, Said, Server, chunk

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLS = ("weather", "weather_map", "clock", "find", "finder")


@pytest.mark.parametrize(
    ("format", "event"),
    [
        ("chat", {"choices": [{"delta": {"tool_calls": [5]}}]}),
        ("messages", {"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta"}}),
        ("messages", {"type": "message_start"}),
        ("responses", {"type": "response.output_item.done"}),
    ],
)
def test_events_of_no_api_make_no_answer(format: str, event: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="does not fit its API"):
        answer_of_events(format, [event])


def servers() -> Iterator[Server]:
    for index in ("right", "none", "all 0", "text", "float"):
        for id in ("first", "none", "each", "changing"):
            for name in ("first", "each", "pieces", "grown"):
                for arguments in ("pieces", "whole", "object", "again", "grown"):
                    yield Server(index, id, name, arguments)


def calls_of(events: list[dict[str, Any]]) -> list[tuple[str, Any]] | None:
    """Return the calls of the answer; None where there is none."""
    try:
        answer = answer_of_events("chat", events, TOOLS)
    except ValueError:
        return None
    calls = answer["choices"][0]["message"]["tool_calls"]
    assert len({call["id"] for call in calls}) == len(calls)
    said = [call["function"] for call in calls]
    return [(one["name"], json.loads(one["arguments"] or "{}")) for one in said]


@pytest.mark.parametrize("said", SAID.values(), ids=list(SAID))
def test_calls_of_all_kinds_of_servers_are_apart_and_whole_or_an_error(
    said: tuple[Said, ...],
) -> None:
    meant = [one.meant for one in said]
    found = [calls_of(server.events(said)) for server in servers()]
    assert [one for one in found if one not in (None, meant)] == []
    assert found.count(None) < len(found) / 2


def test_what_else_a_call_has_stays_on_it() -> None:
    seal = {"extra_content": {"google": {"thought_signature": "s"}}}
    first = {"index": 0, "function": {"name": "clock", "arguments": "{}"}, **seal}
    second = {"index": 0, "function": {"name": "find", "arguments": "{}"}}
    answer = answer_of_events("chat", [chunk(first), chunk(second), chunk(reason="stop")])
    calls = answer["choices"][0]["message"]["tool_calls"]
    assert [call.get("extra_content") for call in calls] == [seal["extra_content"], None]
    assert "index" not in calls[0]


def test_half_a_call_is_no_answer() -> None:
    half = {"index": 0, "id": "a", "function": {"name": "find", "arguments": '{"a": '}}
    with pytest.raises(ValueError, match="before a call of 'find' was whole"):
        answer_of_events("chat", [chunk(half), chunk(reason="tool_calls")])


def test_blocks_of_one_number_are_apart() -> None:
    said = ("One", "Two")
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {"id": "m"}}]
    for text in said:
        block = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": text}
        events += [
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
        ]
    answer = answer_of_events("messages", [*events, {"type": "message_stop"}])
    assert [block["text"] for block in answer["content"]] == ["One", "Two"]


def test_items_of_one_number_are_apart() -> None:
    items = [{"type": "message", "id": "a"}, {"type": "function_call", "id": "b"}]
    done = [
        {"type": "response.output_item.done", "output_index": 0, "item": item}
        for item in (*items, items[1])
    ]
    end = {"type": "response.completed", "response": {"id": "r", "output": []}}
    assert answer_of_events("responses", [*done, end])["output"] == items
