"""Streams of chat completions, read and written."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_model_proxy.convert.converted_stream import UpstreamEvents
from clawmatrix_model_proxy.neutral.answer import (
    Begin,
    Block,
    Close,
    Completed,
    Delta,
    Event,
    Failed,
    Finish,
    Open,
    Usage,
)
from clawmatrix_model_proxy.neutral.codec import BadAnswer
from tests.plugins.model_proxy.convert.chat.chat_corpus import (
    CHAT,
    STREAMS,
    gathered,
    making,
    payloads_of,
    read_stream,
    written_stream,
)

BEGIN = Begin("chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "gpt-5.2-2025-12-11", 1741570283)
BROKEN = ("error_midway", "odd_openrouter_error", "cut")


def chunk(delta: Any, reason: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason, **more}]}


# --- read


def test_text_is_read_as_it_comes() -> None:
    assert read_stream(STREAMS["text"]) == [
        BEGIN,
        Open(0, "text"),
        Delta(0, "Hello"),
        Delta(0, " there"),
        Delta(0, "!"),
        Close(0),
        Finish("stop"),
        Completed(),
    ]


def test_calls_are_read_side_by_side() -> None:
    assert read_stream(STREAMS["interleaved_calls"]) == [
        BEGIN,
        Open(0, "tool", "call_1", "get_weather"),
        Open(1, "tool", "call_2", "get_weather"),
        Delta(0, '{"city":'),
        Delta(1, '{"city":'),
        Delta(1, '"Rome"}'),
        Delta(0, '"Paris"}'),
        Close(0),
        Close(1),
        Finish("tool_calls"),
        Completed(),
    ]


PARIS = Block("tool", '{"city":"Paris"}', "call_1", "get_weather")


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("empty", ()),
        ("refusal", (Block("refusal", "I can't help."),)),
        ("one_call", (Block("tool", '{"city":"Paris"}', "call_abc", "get_weather"),)),
        (
            "parallel_calls",
            (Block("text", "Let me look."), PARIS, Block("tool", "{}", "call_2", "get_time")),
        ),
        ("calls_in_one_delta", (PARIS, Block("tool", "", "call_2", "get_time"))),
        ("custom_call", (Block("free_tool", "print(1)", "call_P", "run_code"),)),
        (
            "old_function_call",
            (Block("tool", "{}", "call_bslfkBeAs8l4bebGdFOJ6PeG_0", "get_time"),),
        ),
        (
            "odd_call_without_id",
            (Block("tool", "{}", "call_bslfkBeAs8l4bebGdFOJ6PeG_0", "get_time"),),
        ),
        ("odd_ollama_call", (Block("tool", '{"city":"Paris"}', "call_x1", "get_weather"),)),
        ("odd_calls_without_index", (PARIS, Block("tool", "{}", "call_2", "get_time"))),
        (
            "odd_all_calls_index_0",
            (
                Block("tool", "{}", "call_1", "get_weather"),
                Block("tool", "{}", "call_2", "get_time"),
            ),
        ),
        (
            "odd_deepseek_reasoning",
            (Block("reasoning", "Compare tenths."), Block("text", "9.9")),
        ),
        ("odd_openrouter_reasoning", (Block("reasoning", "Compare"), Block("text", "9.9"))),
        ("odd_mistral_thinking", (Block("reasoning", "Hm."), Block("text", "9.9"))),
        ("odd_azure", (Block("text", "Hi"),)),
        ("odd_words_after_the_end", (Block("text", "Hi"), Block("text", " there"))),
    ],
)
def test_every_kind_of_stream_is_read(name: str, blocks: tuple[Block, ...]) -> None:
    events = read_stream(STREAMS[name])
    assert gathered(events).blocks == blocks
    assert events[-1] == Completed()


def test_usage_is_read_wherever_it_comes() -> None:
    assert gathered(read_stream(STREAMS["reasoning_usage"])).usage == Usage(
        2006, 300, cached=1920, cache_written=64, reasoning=256
    )
    assert gathered(read_stream(STREAMS["odd_usage_on_every_chunk"])).usage == Usage(5, 2)
    assert gathered(read_stream(STREAMS["odd_deepseek_reasoning"])).usage == Usage(14, 30, cached=8)


def test_how_likely_the_tokens_were_is_read_with_them() -> None:
    deltas = [event for event in read_stream(STREAMS["logprobs"]) if isinstance(event, Delta)]
    assert [[token["token"] for token in d.logprobs or ()] for d in deltas] == [["Hi"], ["!"]]


def test_a_stream_is_whole_with_a_reason_or_a_mark_and_not_otherwise() -> None:
    said, ended = chunk({"content": "Hi"}), chunk({}, "stop")
    for events, whole in (
        ([said, ended], True),
        ([said, ended, "[DONE]"], True),
        ([said, "[DONE]"], True),
        ([said], False),
        ([said, ended, said], False),
        ([said, ended, {"choices": [], "usage": {"prompt_tokens": 1}}], True),
        ([{"choices": []}, "[DONE]"], False),
        ([], False),
    ):
        assert (Completed() in read_stream(events)) is whole, events


def test_done_vouches_for_an_answer_without_a_reason_only_where_nothing_was_cut_out() -> None:
    said, done = b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n', b"data: [DONE]\n\n"
    for stream, whole in ((said + done, True), (said + b"data: {half\n\n" + done, False)):
        upstream = UpstreamEvents(CHAT.reader())
        events = [*upstream.feed(stream), *upstream.finish()]
        assert events.count(Completed()) == whole


def test_an_error_ends_everything() -> None:
    *_, failed = read_stream([*STREAMS["error_midway"], chunk({"content": "x"}, "stop"), "[DONE]"])
    assert failed == Failed(STREAMS["error_midway"][-1]["error"])
    *_, failed = read_stream(STREAMS["odd_openrouter_error"])
    assert failed == Failed({"code": 502, "message": "Provider disconnected"})
    *_, failed = read_stream([chunk({"content": "x"}, "insufficient_system_resource"), "[DONE]"])
    assert isinstance(failed, Failed)


def test_pieces_of_calls_are_told_apart_by_their_ids_too() -> None:
    def piece(id: str, **function: str) -> dict[str, Any]:
        return chunk({"tool_calls": [{"id": id, "function": function}]})

    events = read_stream(
        [
            piece("a", name="f", arguments=""),
            piece("b", name="g", arguments='{"x":'),
            piece("a", arguments="{}"),
            piece("b", arguments="1}"),
            chunk({}, "tool_calls"),
        ]
    )
    assert gathered(events).blocks == (
        Block("tool", "{}", "a", "f"),
        Block("tool", '{"x":1}', "b", "g"),
    )


def test_a_call_that_never_gets_a_name_is_no_answer() -> None:
    nameless = chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]})
    with pytest.raises(BadAnswer, match="without a name"):
        read_stream([nameless, chunk({}, "tool_calls")])
    assert Completed() not in read_stream([nameless, "[DONE]"])


@pytest.mark.parametrize(
    "payload",
    [
        {"choices": 5},
        {"choices": ["x"]},
        {"choices": [{"index": 1, "delta": {}}]},
        {"choices": [{"delta": {}}, {"delta": {}}]},
        {"choices": [{"delta": "x"}]},
        {"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]},
        chunk({"content": 5}),
        chunk({"content": {"text": "x"}}),
        chunk({"refusal": 5}),
        chunk({"reasoning": {"text": "x"}}),
        chunk({"tool_calls": 5}),
        chunk({"tool_calls": ["f"]}),
        chunk({"tool_calls": [{"index": [0], "function": {"name": "f"}}]}),
        chunk({"tool_calls": [{"index": 0, "type": "mcp"}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": 5}}]}),
        chunk({"audio": {"data": "x"}}),
        chunk({"content": "x"}, logprobs={"content": ["x"]}),
    ],
)
def test_what_is_no_chunk_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        list(CHAT.reader().read(payload))


# --- there and back

_MADE_WHOLE = ("calls_in_one_delta", "odd_words_after_the_end")
"""A call without arguments gets an empty object of them; text is one block."""


@pytest.mark.parametrize("name", [n for n in STREAMS if n not in (*_MADE_WHOLE, *BROKEN)])
def test_a_stream_read_again_is_the_same(name: str) -> None:
    events = read_stream(STREAMS[name])
    assert read_stream(payloads_of(written_stream(events, making()))) == events


# --- write


def deltas(*events: Event) -> list[Any]:
    payloads = payloads_of(written_stream([Begin("id"), *events], making(include_usage=False)))
    return [payload["choices"][0]["delta"] for payload in payloads]


def test_the_bytes_of_a_stream_are_written() -> None:
    events = read_stream(STREAMS["text_with_usage"])
    chunks = written_stream(events, making(include_usage=False)).split(b"\n\n")
    head = (
        b'data: {"id":"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG","object":"chat.completion.chunk",'
        b'"created":1741570283,"model":"gpt-5.2-2025-12-11","choices":[{"index":0,"delta":'
    )
    going = b',"logprobs":null,"finish_reason":null}]}'
    assert chunks == [
        head + b'{"role":"assistant","content":"","refusal":null}' + going,
        head + b'{"content":"Hello"}' + going,
        head + b'{"content":"!"}' + going,
        head + b'{},"logprobs":null,"finish_reason":"stop"}]}',
        b"data: [DONE]",
        b"",
    ]


def test_a_failure_is_not_the_writers_to_write() -> None:
    assert written_stream([Failed({"message": "broke"})], making()) == b""


def test_usage_is_a_chunk_of_its_own_for_those_who_asked() -> None:
    events: list[Event] = [Begin("id", usage=Usage(3, 0)), Finish("stop"), Completed()]
    *_, last, done = payloads_of(written_stream(events, making()))
    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}
    assert done == "[DONE]"


def test_what_the_upstream_left_out_is_filled_in() -> None:
    first, *_ = payloads_of(written_stream([Begin(), Finish("stop")], making()))
    assert (first["id"], first["model"], first["created"]) == (
        "chatcmpl-0",
        "model-x",
        1_700_000_000,
    )


@pytest.mark.parametrize(
    ("event", "content"),
    [(Open(0, "text"), ""), (Open(0, "tool", "a", "f"), None), (Finish("stop"), "")],
)
def test_the_first_chunk_has_the_role_and_content_where_there_will_be_text(
    event: Event, content: str | None
) -> None:
    role = {"role": "assistant", "content": content, "refusal": None}
    assert deltas(event)[0] == role


def test_blocks_of_thoughts_are_lines_apart() -> None:
    told = deltas(
        Open(0, "summary", group=0),
        Delta(0, "One"),
        Delta(0, "."),
        Close(0),
        Open(1, "summary", group=0),
        Close(1, "ciphertext", "responses"),
        Open(2, "redacted"),
        Delta(2, "not to be shown"),
        Close(2, "secret", "messages"),
        Open(3, "reasoning"),
        Delta(3, "Two."),
        Close(3, "signature", "messages"),
    )
    kept = [one.pop("extra_content") for one in told if "extra_content" in one]
    assert [one for one in told[1:] if one] == [
        {"reasoning_content": "One"},
        {"reasoning_content": "."},
        {"reasoning_content": "\n\nTwo."},
    ]
    assert [list(one["clawmatrix"]) for one in kept] == [["1"], ["2"], ["3"]]


def test_calls_are_counted_among_themselves_and_always_have_arguments() -> None:
    told = deltas(
        Open(0, "text"),
        Open(1, "tool", "", "f"),
        Open(2, "free_tool", "call_B", "run"),
        Delta(2, "1"),
        Delta(1, ""),
        Close(1),
        Close(2),
    )
    assert told[1:] == [
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "call_0",
                    "type": "function",
                    "function": {"name": "f", "arguments": ""},
                }
            ]
        },
        {
            "tool_calls": [
                {
                    "index": 1,
                    "id": "call_B",
                    "type": "custom",
                    "custom": {"name": "run", "input": ""},
                }
            ]
        },
        {"tool_calls": [{"index": 1, "custom": {"input": "1"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
    ]
