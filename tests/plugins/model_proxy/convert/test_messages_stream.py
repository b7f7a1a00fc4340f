"""Streams of the Messages API, in the neutral form and out of it."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_model_proxy.convert.answer import (
    Answer,
    Begin,
    Block,
    Close,
    Delta,
    End,
    Event,
    Failed,
    Finish,
    Open,
    Usage,
    events_of,
)
from clawmatrix_model_proxy.convert.codec import BadAnswer
from clawmatrix_model_proxy.convert.messages import CODEC
from tests.plugins.model_proxy.convert.messages_sdk import (
    accumulate,
    check_event,
    events,
    load_stream,
    making,
    payloads,
    written,
)

ID, MODEL = "msg_01JQbiTM4fY5BYJmUZCQfSXY", "claude-sonnet-4-5-20250929"
BEGIN = Begin(ID, MODEL, 0, Usage(25, 1))
END = End()


def read(name: str) -> list[Event]:
    """Read a stream of the corpus."""
    return events(load_stream(name))


def shape(stream: list[Event]) -> list[str]:
    """Write a stream and return its events, in short; each must be of the SDK's types."""
    found = payloads(written(stream))
    for payload in found:
        check_event(payload)
    return [_short(payload) for payload in found]


def _short(payload: dict[str, Any]) -> str:
    kind = str(payload["type"]).removeprefix("content_block_")
    match payload:
        case {"index": index, "content_block": block}:
            return f"{kind} {index} {block['type']}"
        case {"index": index, "delta": {"type": _, **said}}:
            return f"{kind} {index} {''.join(map(str, said.values()))}"
        case {"index": index}:
            return f"{kind} {index}"
        case {"delta": {"stop_reason": reason}}:
            return f"{kind} {reason}"
    return kind


# --- read


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
        OPEN,
        {**OPEN, "index": None},
        {**OPEN, "index": True},
        {**OPEN, "index": 1, "content_block": {"type": "server_tool_use"}},
        {**OPEN, "index": 1, "content_block": "text"},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": ""}},
        {"type": "content_block_delta", "index": [], "delta": {}},
        {"type": "content_block_delta", "index": 0, "delta": "Hi"},
        {"type": "content_block_stop", "index": 1},
        {"type": "content_block_stop"},
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
        {"type": "message_delta", "delta": {"stop_reason": "bored"}},
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": "many"}},
    ],
)
def test_an_end_that_is_not_of_the_api_is_no_answer(payload: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        events([START, OPEN, payload, {"type": "message_stop"}])


# --- write


def test_a_stream_of_another_api_is_written_event_by_event() -> None:
    writer = CODEC.writer(making())
    assert payloads(writer.write(Begin())) == [
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "the-model",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "stop_details": None,
                "usage": {"input_tokens": 0, "output_tokens": 0},
            },
        }
    ]
    assert writer.write(Open(0, "text")) == b""
    assert [_short(payload) for payload in payloads(writer.write(Delta(0, 'Sm"all')))] == [
        "start 0 text",
        'delta 0 Sm"all',
    ]
    assert writer.write(Delta(0, "\nü")) == (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"\\n\xc3\xbc"}}\n\n'
    )
    assert [_short(payload) for payload in payloads(writer.write(Close(0)))] == ["stop 0"]
    usage = Usage(10, 2, cached=4)
    assert payloads(writer.write(Finish("length", usage))) == [
        {
            "type": "message_delta",
            "delta": {"stop_reason": "max_tokens", "stop_sequence": None, "stop_details": None},
            "usage": {"input_tokens": 6, "cache_read_input_tokens": 4, "output_tokens": 2},
        }
    ]
    assert writer.write(End()) == b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def test_blocks_that_are_open_at_once_follow_one_another() -> None:
    stream: list[Event] = [
        Begin(),
        Open(0, "text"),
        Delta(0, "A"),
        Open(1, "tool", "a", "f"),
        Open(2, "tool", "b", "g"),
        Delta(2, "{"),
        Delta(1, "{}"),
        Delta(0, "B"),
        Close(2),
        Close(0),
        Delta(1, " "),
        Close(1),
        Finish("stop"),
        End(),
    ]
    assert shape(stream) == [
        "message_start",
        "start 0 text",
        "delta 0 A",
        "delta 0 B",
        "stop 0",
        "start 1 tool_use",
        "delta 1 {}",
        "delta 1  ",
        "stop 1",
        "start 2 tool_use",
        "delta 2 {",
        "stop 2",
        "message_delta tool_use",
        "message_stop",
    ]


def test_a_call_begins_as_soon_as_it_is_known() -> None:
    writer = CODEC.writer(making())
    writer.write(Begin())
    [start] = payloads(writer.write(Open(0, "tool", "", "f")))
    assert start["content_block"] == {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}}


def test_paragraphs_of_a_summary_are_one_thought() -> None:
    stream: list[Event] = [
        Begin(),
        Open(0, "summary", group=0),
        Close(0),
        Open(1, "summary", group=0),
        Delta(1, "A"),
        Close(1),
        Open(2, "summary", group=0),
        Delta(2, "B"),
        Delta(2, "C"),
        Close(2, "cipher", "responses"),
        Open(3, "reasoning", group=1),
        Delta(3, "D"),
        Close(3),
        Open(4, "reasoning", group=2),
        Close(4, "only", "messages"),
        Open(5, "redacted"),
        Close(5, "hidden", "messages"),
        Open(6, "redacted"),
        Close(6),
        Open(7, "text"),
        Close(7),
        Finish("stop"),
        End(),
    ]
    assert shape(stream) == [
        "message_start",
        "start 0 thinking",
        "delta 0 A",
        "delta 0 \n\nB",
        "delta 0 C",
        "delta 0 clawmatrix.responses.cipher",
        "stop 0",
        "start 1 thinking",
        "delta 1 D",
        "stop 1",
        "start 2 thinking",
        "delta 2 only",
        "stop 2",
        "start 3 redacted_thinking",
        "stop 3",
        "message_delta end_turn",
        "message_stop",
    ]


def test_a_seal_of_an_earlier_paragraph_seals_the_thought() -> None:
    answer = Answer(
        "a",
        "m",
        0,
        (
            Block("summary", "A", group=0, sealed="cipher", sealed_by="responses"),
            Block("summary", "B", group=0),
        ),
        "stop",
    )
    thought = {
        "type": "thinking",
        "thinking": "A\n\nB",
        "signature": "clawmatrix.responses.cipher",
    }
    assert CODEC.write_answer(answer, making())["content"] == [thought]
    assert [block.to_dict() for block in accumulate(written(events_of(answer))).content] == [
        thought
    ]


def test_counts_known_at_the_beginning_are_those_of_the_end_where_it_has_none() -> None:
    stream: list[Event] = [Begin(usage=Usage(9, 1, cached=4)), Finish("stop"), End()]
    *_, delta, _ = payloads(written(stream))
    counts = {"input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 1}
    assert delta["usage"] == counts


def test_a_refusal_is_a_text_and_the_reason_for_the_end() -> None:
    stream: list[Event] = [
        Begin(),
        Open(0, "refusal"),
        Delta(0, "No."),
        Close(0),
        Finish("stop", Usage(1, 2)),
        End(),
    ]
    message = accumulate(written(stream))
    assert message.stop_reason == "refusal"
    assert message.stop_details is not None
    assert message.content[0].to_dict() == {"type": "text", "text": "No.", "citations": None}


def test_a_call_with_text_is_no_answer() -> None:
    writer = CODEC.writer(making())
    writer.write(Begin())
    with pytest.raises(BadAnswer, match="sh"):
        writer.write(Open(0, "free_tool", "a", "sh"))
