"""Streams of other APIs, as the Messages API has them."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_model_proxy.convert.messages.codec import CODEC
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
from clawmatrix_model_proxy.neutral.codec import BadAnswer
from tests.plugins.model_proxy.convert.messages.messages_sdk import (
    accumulate,
    check_event,
    making,
    payloads,
    written,
)


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
            "delta": {"stop_reason": "max_tokens", "stop_sequence": None},
            "usage": {"input_tokens": 6, "cache_read_input_tokens": 4, "output_tokens": 2},
        }
    ]
    assert writer.write(Completed()) == b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


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
        Completed(),
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
        Delta(1, ""),
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
        Completed(),
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
    answer = NeutralAnswer(
        "a",
        "m",
        0,
        (
            Block("summary", "A", group=0, sealed="cipher", sealed_by="responses"),
            Block("summary", "", group=0),
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
    stream: list[Event] = [Begin(usage=Usage(9, 1, cached=4)), Finish("stop"), Completed()]
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
        Completed(),
    ]
    message = accumulate(written(stream))
    assert message.stop_reason == "refusal"
    assert message.stop_details is not None
    assert message.content[0].to_dict() == {"type": "text", "text": "No."}


def test_a_call_with_text_is_no_answer() -> None:
    writer = CODEC.writer(making())
    writer.write(Begin())
    with pytest.raises(BadAnswer, match="sh"):
        writer.write(Open(0, "free_tool", "a", "sh"))
