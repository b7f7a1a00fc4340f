"""Streams written for clients of the Responses API: their order, and what the SDK makes of them."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from clawmatrix_model_proxy.convert.responses.codec import CODEC
from clawmatrix_model_proxy.neutral.answer import (
    Begin,
    Block,
    Close,
    Completed,
    Delta,
    Event,
    Finish,
    NeutralAnswer,
    Open,
    Usage,
    events_of,
)
from tests.plugins.model_proxy.convert.responses.responses_sdk import (
    client_of,
    making,
    payloads,
    stream_of,
)
from tests.plugins.model_proxy.convert.work import calls_in


class Person(BaseModel):
    """What the model is asked for."""

    name: str
    age: int


EVERYTHING = (
    Block("summary", "S", id="rs_1", group=0),
    Block("reasoning", "R", "rs_1", "", 0, None, "rs_1:gAAA", "responses"),
    Block("text", "T"),
    Block("refusal", "N"),
    Block("tool", "{}", "call_1", "f"),
    Block("free_tool", "x", "call_2", "g"),
    Block("redacted", group=1, sealed="c2ln", sealed_by="messages"),
)


def test_events_come_in_openais_order() -> None:
    answer = NeutralAnswer("resp_1", "m", 1, EVERYTHING, "tool_calls")
    types = [payload["type"] for payload in payloads(stream_of(events_of(answer)))]
    assert [kind.removeprefix("response.") for kind in types] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "output_item.added",
        "output_item.done",
        "completed",
    ]


def test_a_piece_of_text_is_written_as_it_is_in_json() -> None:
    writer = CODEC.writer(making())
    writer.write(Begin())
    writer.write(Open(0, "text"))
    piece = writer.write(Delta(0, 'Say "é"\n'))
    assert (
        piece
        == (
            "event: response.output_text.delta\n"
            'data: {"type":"response.output_text.delta","item_id":"msg_1","output_index":0,'
            '"content_index":0,"logprobs":[],"sequence_number":4,"delta":"Say \\"é\\"\\n"}\n\n'
        ).encode()
    )
    assert writer.write(Delta(0, "")) == b""
    assert writer.sequence == 5


def test_the_end_is_written_with_the_end_only() -> None:
    writer = CODEC.writer(making())
    events: list[Event] = [Begin(), Open(0, "text"), Delta(0, "x"), Close(0), Finish("stop")]
    before = b"".join(writer.write(event) for event in events)
    assert "response.completed" not in {payload["type"] for payload in payloads(before)}
    assert b"response.completed" in writer.write(Completed())


def test_what_an_upstream_says_it_took_at_the_beginning_is_kept() -> None:
    events: list[Event] = [Begin(usage=Usage(5)), Finish("stop"), Completed()]
    last = payloads(stream_of(events))[-1]
    assert last["response"]["usage"]["input_tokens"] == 5


def test_the_sdks_helper_shows_text_and_arguments_as_they_grow() -> None:
    events: list[Event] = [
        Begin(),
        Open(0, "text"),
        Delta(0, '{"name": "Ada",'),
        Delta(0, ' "age": 36}'),
        Close(0),
        Open(1, "tool", "call_1", "now"),
        Delta(1, '{"zone":'),
        Delta(1, ' "UTC"}'),
        Close(1),
        Finish("tool_calls"),
        Completed(),
    ]
    with (
        client_of(stream_of(events)) as client,
        client.responses.stream(model="m", input="Hi", text_format=Person) as stream,
    ):
        grown = [
            event.snapshot
            for event in stream
            if event.type == "response.output_text.delta"
            or event.type == "response.function_call_arguments.delta"
        ]
        final = stream.get_final_response()
    assert grown == [
        '{"name": "Ada",',
        '{"name": "Ada", "age": 36}',
        '{"zone":',
        '{"zone": "UTC"}',
    ]
    assert final.output_parsed == Person(name="Ada", age=36)


def test_many_short_blocks_are_no_more_work_each_than_few() -> None:
    def write(blocks: int) -> None:
        writer = CODEC.writer(making())
        writer.write(Begin())
        for index in range(blocks):
            writer.write(Open(index, "refusal" if index % 2 else "text"))
            writer.write(Delta(index, "x"))
            writer.write(Close(index))

    few, many = calls_in(lambda: write(200)), calls_in(lambda: write(2_000))
    assert many < 12 * few


@pytest.mark.parametrize("pieces", [(), ("",), (" ", "\n")])
def test_a_call_without_arguments_has_an_empty_object(pieces: tuple[str, ...]) -> None:
    events: list[Event] = [Begin(), Open(0, "tool", "call_1", "f")]
    events += [Delta(0, piece) for piece in pieces]
    events += [Close(0), Finish("tool_calls"), Completed()]
    told = payloads(stream_of(events))
    [done] = [one for one in told if one["type"] == "response.function_call_arguments.done"]
    deltas = [one["delta"] for one in told if one["type"].endswith("arguments.delta")]
    assert json.loads(done["arguments"]) == {}
    assert "".join(deltas) == done["arguments"]
    assert told[-1]["response"]["output"][0]["arguments"] == done["arguments"]


def test_a_call_with_text_may_have_none() -> None:
    answer = NeutralAnswer("resp_1", "m", 1, (Block("free_tool", "", "c", "g"),), "tool_calls")
    told = payloads(stream_of(events_of(answer)))
    assert told[-1]["response"]["output"][0]["input"] == ""
