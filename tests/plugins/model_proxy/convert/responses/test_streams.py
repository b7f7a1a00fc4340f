"""Streams of the Responses API: what each of the corpus amounts to."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_model_proxy.convert.responses.codec import CODEC
from clawmatrix_model_proxy.neutral.answer import (
    Begin,
    Block,
    Close,
    Completed,
    Delta,
    Failed,
    Finish,
    Open,
    Usage,
)
from clawmatrix_model_proxy.neutral.codec import BadAnswer
from tests.plugins.model_proxy.convert.responses.responses_corpus import STREAMS
from tests.plugins.model_proxy.convert.responses.responses_sdk import (
    gathered,
    read_stream,
)

if TYPE_CHECKING:
    from collections.abc import Callable

RS = "rs_68af4032fb1881938b6e0d5bd2b5f1d90e6967589f080e78"
ENCRYPTED = "gAAAAABor0A1Xv3dTq0mJr8pW1zvYyqgk7cVbTQm5x2w9hKJr4uPq0yq7o8fN1m2s3D4e5F6g7H8iQ=="
PARIS = "call_DdmO9pD3xa9XTPNJ32zg2hcA"
LOGPROBS: list[dict[str, Any]] = [
    {
        "token": "Hi",
        "bytes": [72, 105],
        "logprob": -0.31725305,
        "top_logprobs": [
            {"token": "Hi", "bytes": [72, 105], "logprob": -0.31725305},
            {"token": "Hello", "bytes": [72, 101, 108, 108, 111], "logprob": -1.3190403},
        ],
    },
    {
        "token": "!",
        "bytes": [33],
        "logprob": -0.02380986,
        "top_logprobs": [
            {"token": "!", "bytes": [33], "logprob": -0.02380986},
            {"token": " there", "bytes": [32, 116, 104, 101, 114, 101], "logprob": -3.787621},
        ],
    },
]
AMOUNTS: dict[str, tuple[str, tuple[Block, ...]]] = {
    "annotations": ("stop", (Block("text", "Rain."),)),
    "content_filter": ("content_filter", (Block("text", "The"),)),
    "custom_call": (
        "tool_calls",
        (
            Block(
                "free_tool", "*** Begin Patch\n*** End Patch", id="call_patch", name="apply_patch"
            ),
        ),
    ),
    "empty_thought": ("stop", (Block("text", "Hello!"),)),
    "interleaved_calls": (
        "tool_calls",
        (
            Block("tool", '{"city":"Oslo"}', id="call_a1", name="get_weather"),
            Block("tool", '{"city":"Rome"}', id="call_b2", name="get_weather"),
        ),
    ),
    "length": ("length", (Block("text", "Once upon a"),)),
    "length_in_call": ("length", (Block("tool", '{"text":"Once upon', id="call_w", name="write"),)),
    "logprobs": ("stop", (Block("text", "Hi!", logprobs=LOGPROBS),)),
    "nothing": ("stop", ()),
    "odd_all_items_number_0": (
        "tool_calls",
        (
            Block("text", "A"),
            Block("tool", "{}", id="call_f", name="f"),
            Block("tool", "{}", id="call_g", name="g"),
        ),
    ),
    "odd_arguments_spelled_again": (
        "tool_calls",
        (Block("tool", '{"a":1,"b":2}', id="call_f", name="f"),),
    ),
    "odd_changing_ids": (
        "tool_calls",
        (
            Block("text", "Hello!"),
            Block("tool", '{"location":"Paris, France"}', id=PARIS, name="get_weather"),
        ),
    ),
    "odd_completed_only": (
        "tool_calls",
        (
            Block("text", "Hello!"),
            Block("tool", "{}", id="call_1", name="now"),
        ),
    ),
    "odd_completed_says_incomplete": ("length", (Block("text", "Once upon a"),)),
    "odd_deltas_only": ("stop", (Block("text", "Hello!"),)),
    "odd_empty_final_output": ("stop", (Block("text", "Hello!"),)),
    "odd_end_of_the_text_in_the_last_event": ("stop", (Block("text", "Hello!"),)),
    "odd_events_left_out": ("stop", (Block("text", "Hello!"),)),
    "odd_llama_cpp": (
        "tool_calls",
        (
            Block("reasoning", "Two calls.", id="rs_l", group=0),
            Block("text", "Let me see."),
            Block("tool", '{"city":"Oslo"}', id="fc_A", name="weather"),
            Block("tool", '{"city":"Rome"}', id="fc_B", name="weather"),
        ),
    ),
    "odd_name_after_arguments": ("tool_calls", (Block("tool", '{"a":1}', id="call_1", name="f"),)),
    "odd_summary_without_index": (
        "stop",
        (
            Block("summary", "A", id="rs_1", group=0),
            Block("summary", "B", id="rs_1", group=0, sealed="rs_1:E", sealed_by="responses"),
            Block("text", "Hi"),
        ),
    ),
    "odd_whole_arguments_at_the_end": (
        "tool_calls",
        (Block("tool", '{"location":"Paris, France"}', id=PARIS, name="get_weather"),),
    ),
    "one_call": (
        "tool_calls",
        (Block("tool", '{"location":"Paris, France"}', id=PARIS, name="get_weather"),),
    ),
    "parallel_calls": (
        "tool_calls",
        (
            Block("tool", '{"city":"Oslo"}', id="call_a1", name="get_weather"),
            Block("tool", '{"city":"Rome"}', id="call_b2", name="get_weather"),
            Block("tool", "{}", id="call_c3", name="get_time"),
        ),
    ),
    "queued_first": ("stop", (Block("text", "Hello!"),)),
    "reasoning_text": (
        "stop",
        (
            Block("reasoning", "The user wants a greeting.", id="rs_2f0c", group=0),
            Block("text", "Hello!"),
        ),
    ),
    "refusal": ("refusal", (Block("refusal", "I'm sorry, I can't help with that."),)),
    "sealed_thought": (
        "tool_calls",
        (
            Block(
                "redacted", "", id=RS, group=0, sealed=f"{RS}:{ENCRYPTED}", sealed_by="responses"
            ),
            Block("tool", '{"location":"Paris, France"}', id=PARIS, name="get_weather"),
        ),
    ),
    "several_texts": (
        "stop",
        (
            Block("text", "I will look."),
            Block("text", "Found "),
            Block("text", "it."),
        ),
    ),
    "structured": ("stop", (Block("text", '{"name":"Ada","age":36}'),)),
    "summary": (
        "stop",
        (
            Block("summary", "**Greeting**\n\nThe user says hi.", id=RS, group=0),
            Block(
                "summary",
                "**Answering**\n\nShort is best.",
                id=RS,
                group=0,
                sealed=f"{RS}:{ENCRYPTED}",
                sealed_by="responses",
            ),
            Block("text", "Hello!"),
        ),
    ),
    "text": ("stop", (Block("text", "Under a quiet moon, the unicorn slept. 🦄"),)),
    "text_and_empty_arguments": (
        "tool_calls",
        (
            Block("text", "One moment."),
            Block("tool", "", id="call_now", name="now"),
        ),
    ),
}


@pytest.mark.parametrize("name", AMOUNTS)
def test_what_a_stream_amounts_to(name: str) -> None:
    whole = gathered(read_stream(STREAMS[name]))
    assert (whole.reason, whole.blocks) == AMOUNTS[name]


def test_a_stream_says_who_answers_and_what_it_took() -> None:
    events = read_stream(STREAMS["summary"])
    begin = Begin(
        "resp_68af4030baa48193b0b43b4c2a176a1a0e6967589f080e78",
        "gpt-5.2-2025-12-11",
        1756315696,
    )
    assert events[0] == begin
    assert events[-2:] == [Finish("stop", Usage(81, 1035, 64, 8, 832)), Completed()]


def test_pieces_are_read_one_by_one_and_a_thought_is_sealed_at_its_end() -> None:
    assert read_stream(STREAMS["summary"])[1:-2] == [
        Open(0, "summary", RS, group=0),
        Delta(0, "**Greeting"),
        Delta(0, "**\n\nThe user says hi."),
        Close(0),
        Open(1, "summary", RS, group=0),
        Delta(1, "**Answering**\n\n"),
        Delta(1, "Short is best."),
        Close(1, f"{RS}:{ENCRYPTED}", "responses"),
        Open(2, "text"),
        Delta(2, "Hello"),
        Delta(2, "!"),
        Close(2),
    ]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (
            "failed",
            {"code": "rate_limit_exceeded", "message": "Rate limit reached for gpt-5.2."},
        ),
        (
            "error_midway",
            {
                "type": "error",
                "sequence_number": 5,
                "code": "server_error",
                "message": "The server had an error while processing your request.",
                "param": None,
            },
        ),
        (
            "odd_bare_error",
            {"message": "CUDA out of memory", "type": "server_error", "code": 500},
        ),
        ("odd_cancelled", {"message": "the upstream's answer is cancelled"}),
    ],
)
def test_an_error_is_given_as_the_upstream_gave_it(name: str, error: dict[str, Any]) -> None:
    assert read_stream(STREAMS[name])[-1] == Failed(error)


@pytest.mark.parametrize("lost", [range(4, 5), range(4, 6), range(2, 8)])
def test_a_gap_in_the_numbers_is_noticed_where_the_last_event_has_not_the_whole(
    lost: range,
) -> None:
    stream = [at for n, at in enumerate(STREAMS["odd_empty_final_output"]) if n not in lost]
    if lost == range(4, 6):  # and what was to confirm the pieces
        stream = [payload for payload in stream if not payload["type"].endswith("done")]
    with pytest.raises(BadAnswer):
        read_stream(stream)


@pytest.mark.parametrize("numbers", [lambda at: at + 1, lambda at: 0, lambda at: None])
def test_other_ways_to_number_events_are_no_gap(numbers: Callable[[int], int | None]) -> None:
    stream = [
        {**payload, "sequence_number": numbers(at)}
        for at, payload in enumerate(STREAMS["odd_empty_final_output"])
    ]
    assert read_stream(stream) == read_stream(STREAMS["odd_empty_final_output"])


def test_nothing_is_read_after_the_end() -> None:
    stream = [*STREAMS["text"], *STREAMS["one_call"]]
    assert read_stream(stream) == read_stream(STREAMS["text"])


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": 7},
        {"type": "response.heartbeat"},
        {"type": "response.output_text.annotation.added", "annotation": {}},
        {"type": "response.output_text.delta", "delta": ""},
        {"type": "response.output_text.delta", "delta": None},
        {"type": "response.content_part.done"},
    ],
)
def test_what_means_nothing_is_nothing(payload: dict[str, Any]) -> None:
    assert list(CODEC.reader().read(payload)) == []


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "response.output_text.delta", "delta": 7},
        {"type": "response.output_text.delta", "delta": "x", "logprobs": "y"},
        {"type": "response.output_text.delta", "delta": "x", "logprobs": [{"logprob": True}]},
        {"type": "response.output_item.added"},
        {"type": "response.output_item.added", "item": {"type": "mcp_call"}},
        {"type": "response.output_item.done", "item": {"type": "function_call", "name": ""}},
        {"type": "response.content_part.done", "part": {"type": "output_video"}},
        {"type": "response.created", "response": {"id": 7}},
        {"type": "response.completed"},
        {"type": "response.completed", "response": {"output": {}}},
    ],
)
def test_what_cannot_be_read_is_no_answer(payload: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        list(CODEC.reader().read(payload))


def test_more_of_a_block_that_was_whole_is_no_answer() -> None:
    stream = STREAMS["text"][:-1]
    late = next(payload for payload in stream if payload["type"] == "response.output_text.delta")
    with pytest.raises(BadAnswer):
        read_stream([*stream, late])


@pytest.mark.parametrize("kind", ["output_text", "function_call_arguments"])
def test_an_end_that_is_told_again_and_again_is_no_work(kind: str) -> None:
    reader = CODEC.reader()
    item = {"type": "message", "id": "i"}
    if kind != "output_text":
        item = {"type": "function_call", "id": "i", "call_id": "c", "name": "f"}
    list(reader.read({"type": "response.output_item.added", "output_index": 0, "item": item}))
    about = {"output_index": 0, "content_index": 0}
    for _ in range(100_000):
        list(reader.read({"type": f"response.{kind}.delta", "delta": " ", **about}))
    done = {"type": f"response.{kind}.done", **about}
    list(reader.read(done))
    tracemalloc.start()
    assert list(reader.read(done)) == []
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10_000, "the pieces were put together again"
