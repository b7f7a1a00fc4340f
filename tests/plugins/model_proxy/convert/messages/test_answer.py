"""Whole answers of the Messages API, in the neutral form and out of it."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_model_proxy.convert.messages.codec import CODEC
from clawmatrix_model_proxy.neutral.answer import Block, FinishReason, NeutralAnswer, Usage
from clawmatrix_model_proxy.neutral.codec import BadAnswer
from tests.plugins.model_proxy.convert.messages.messages_sdk import check_answer, load, making

ID, MODEL = "msg_013Zva2CMHLNnXjNJJKqJ2EF", "claude-sonnet-4-5-20250929"
USAGE = Usage(12, 6)


def read(name: str) -> NeutralAnswer:
    """Read an answer of the corpus."""
    return CODEC.read_answer(load("answers", name))


def write(*blocks: Block, reason: FinishReason = "stop", usage: Usage | None = None) -> Any:
    """Write an answer, which must be one of the SDK's types."""
    body = CODEC.write_answer(NeutralAnswer("", "", 0, blocks, reason, usage), making())
    check_answer(body)
    return body


def test_a_text() -> None:
    blocks = (Block("text", "Stockholm."),)
    assert read("text") == NeutralAnswer(ID, MODEL, 0, blocks, "stop", USAGE)


def test_calls() -> None:
    blocks = (
        Block("tool", '{"city":"Oslo"}', "toolu_01A", "get_weather"),
        Block("tool", "{}", "toolu_01B", "now"),
    )
    assert read("parallel_tools") == NeutralAnswer(ID, MODEL, 0, blocks, "tool_calls", USAGE)


def test_thoughts_and_all_the_counts() -> None:
    blocks = (
        Block("reasoning", "Let me see.", sealed="EqQBCgIYAhIM", sealed_by="messages"),
        Block("redacted", sealed="EmwKAhgB", sealed_by="messages"),
        Block("text", "12231"),
    )
    usage = Usage(2121, 305, cached=2000, cache_written=100, reasoning=250)
    assert read("thinking") == NeutralAnswer(ID, MODEL, 0, blocks, "stop", usage)


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("length", "length", None),
        ("window", "length", None),
        ("stop_sequence", "stop_sequence", "3"),
        ("pause", "pause", None),
        ("refusal", "refusal", None),
    ],
)
def test_ends(name: str, reason: FinishReason, words: str | None) -> None:
    answer = read(name)
    assert (answer.reason, answer.stop_sequence) == (reason, words)


def test_the_explanation_of_a_refusal_is_one() -> None:
    assert read("refusal").blocks == (
        Block("text", "I"),
        Block("refusal", "This is about a pathogen."),
    )


def test_an_end_of_turn_with_calls_is_one_for_calls() -> None:
    body = {**load("answers", "tool"), "stop_reason": "end_turn"}
    assert CODEC.read_answer(body).reason == "tool_calls"
    assert CODEC.read_answer({**body, "stop_reason": None}).reason == "tool_calls"
    assert CODEC.read_answer({**body, "stop_reason": "max_tokens"}).reason == "length"


def test_what_servers_leave_out_is_not_there() -> None:
    blocks = [{"type": "thinking", "thinking": "Hm"}, {"type": "tool_use", "name": "f"}]
    answer = CODEC.read_answer({"content": blocks})
    thought, call = Block("reasoning", "Hm"), Block("tool", "{}", "", "f")
    assert answer == NeutralAnswer("", "", 0, (thought, call), "tool_calls", None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"content": None}, "no message"),
        ({"content": None, "error": {"message": "Overloaded"}}, "Overloaded"),
        ({"content": ["Hi"]}, "not an object"),
        ({"content": [{"type": "server_tool_use"}]}, "'server_tool_use'"),
        ({"content": [{"type": {}}]}, "cannot be put"),
        ({"content": [{"type": "text", "text": 7}]}, "text is not a string"),
        ({"content": [{"type": "tool_use", "input": [1]}]}, "input of a tool"),
        ({"stop_reason": "server_error"}, "broke off: server_error"),
        ({"stop_reason": "user_cancelled"}, "broke off: user_cancelled"),
        ({"id": 7}, "id is not a string"),
    ],
)
def test_what_is_no_answer_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadAnswer) as bad:
        CODEC.read_answer({**load("answers", "text"), **change})
    assert message in str(bad.value)


def test_an_answer_of_another_api_is_written_whole() -> None:
    call = Block("tool", '{"x": 1}', "call_1", "f")
    usage = Usage(100, 20, cached=60, reasoning=5, more={("output", "audio_tokens"): 3})
    body = write(Block("reasoning", "Hm"), Block("text", "See:"), call, usage=usage)
    assert body == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "the-model",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": ""},
            {"type": "text", "text": "See:"},
            {"type": "tool_use", "id": "call_1", "name": "f", "input": {"x": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 40,
            "cache_read_input_tokens": 60,
            "output_tokens": 20,
            "output_tokens_details": {"thinking_tokens": 5},
        },
    }


def test_a_summary_is_one_thought_with_one_seal() -> None:
    body = write(
        Block("summary", "A", group=0),
        Block("summary", "B", group=0, sealed="cipher", sealed_by="responses"),
        Block("summary", "C", group=1),
        Block("text", "Hi"),
    )
    assert body["content"][:2] == [
        {"type": "thinking", "thinking": "A\n\nB", "signature": "clawmatrix.responses.cipher"},
        {"type": "thinking", "thinking": "C", "signature": ""},
    ]


def test_empty_blocks_are_left_out() -> None:
    assert write(Block("text"), Block("reasoning"), Block("redacted"))["content"] == []


def test_a_call_without_an_id_gets_one() -> None:
    assert write(Block("tool", "", name="f"))["content"] == [
        {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}}
    ]


@pytest.mark.parametrize(
    ("reason", "blocks", "written"),
    [
        ("stop", (Block("refusal", "No."),), "refusal"),
        ("content_filter", (), "refusal"),
        ("stop", (), "end_turn"),
        ("tool_calls", (), "end_turn"),
        ("length", (Block("tool", '{"x":', "a", "f"),), "max_tokens"),
        ("stop_sequence", (), "stop_sequence"),
        ("pause", (), "pause_turn"),
    ],
)
def test_ends_of_other_apis(reason: FinishReason, blocks: tuple[Block, ...], written: str) -> None:
    body = write(*blocks, reason=reason)
    assert body["stop_reason"] == written
    assert ("stop_details" in body) == (written == "refusal")


@pytest.mark.parametrize(
    "block", [Block("tool", '{"x":', "a", "f"), Block("free_tool", "ls", "a", "sh")]
)
def test_a_call_that_the_api_cannot_say_is_no_answer(block: Block) -> None:
    with pytest.raises(BadAnswer):
        write(block)


def test_counts_that_do_not_fit_each_other_are_never_below_zero() -> None:
    assert write(usage=Usage(1, 2, cached=5))["usage"]["input_tokens"] == 0
