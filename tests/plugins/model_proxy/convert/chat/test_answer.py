"""Whole chat completions, read and written."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from clawmatrix_model_proxy.neutral.answer import Block, FinishReason, NeutralAnswer, Usage
from clawmatrix_model_proxy.neutral.codec import BadAnswer
from tests.plugins.model_proxy.convert.chat.chat_corpus import ANSWERS, CHAT, making


def read(name: str) -> NeutralAnswer:
    return CHAT.read_answer(ANSWERS[name])


def written(*blocks: Block, reason: FinishReason = "stop", usage: Usage | None = None) -> Any:
    return CHAT.write_answer(NeutralAnswer("", "", 0, blocks, reason, usage), making())


def said(*blocks: Block, reason: FinishReason = "stop") -> Any:
    return written(*blocks, reason=reason)["choices"][0]["message"]


def test_a_plain_answer_is_read() -> None:
    more = {
        ("input", "audio_tokens"): 0,
        ("output", "audio_tokens"): 0,
        ("output", "accepted_prediction_tokens"): 0,
        ("output", "rejected_prediction_tokens"): 0,
    }
    assert read("text") == NeutralAnswer(
        "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "gpt-5.2-2025-12-11",
        1741569952,
        (Block("text", "Hello! How can I help?"),),
        "stop",
        Usage(19, 10, cached=0, reasoning=0, more=more),
    )


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("empty", ()),
        ("refusal", (Block("refusal", "I can't help with that."),)),
        ("one_call", (Block("tool", '{"city":"Paris"}', "call_abc123", "get_weather"),)),
        (
            "two_calls_and_text",
            (
                Block("text", "Let me look."),
                Block("tool", '{"city": "Paris"}', "call_1", "get_weather"),
                Block("tool", "{}", "call_2", "get_time"),
            ),
        ),
        ("custom_call", (Block("free_tool", "print(1 + 1)", "call_P", "run_code"),)),
        ("odd_deepseek", (Block("reasoning", "Compare the tenths."), Block("text", "9.9"))),
        ("odd_openrouter", (Block("reasoning", "Compare the tenths."), Block("text", "9.9"))),
        ("odd_mistral_thinking", (Block("reasoning", "Hm."), Block("text", "9.9"))),
        (
            "old_function_call",
            (Block("tool", "{}", "call_8CjcvOU2jLn4n570S5qMJKcT_0", "get_time"),),
        ),
        (
            "odd_stop_after_call",
            (Block("tool", "{}", "call_8CjcvOU2jLn4n570S5qMJKcT_0", "get_time"),),
        ),
    ],
)
def test_every_kind_of_block_is_read(name: str, blocks: tuple[Block, ...]) -> None:
    assert read(name).blocks == blocks


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("text", "stop", None),
        ("length", "length", None),
        ("filtered", "content_filter", None),
        ("refusal", "refusal", None),
        ("one_call", "tool_calls", None),
        ("old_function_call", "tool_calls", None),
        ("odd_stop_after_call", "tool_calls", None),
        ("odd_vllm_stop_words", "stop_sequence", "3"),
        ("odd_vllm_stop_token", "stop", None),
        ("odd_mistral_thinking", "length", None),
    ],
)
def test_every_end_is_read(name: str, reason: str, words: str | None) -> None:
    answer = read(name)
    assert (answer.reason, answer.stop_sequence) == (reason, words)


def test_what_an_answer_took_is_read_with_its_details() -> None:
    usage = read("cached_and_reasoning_usage").usage
    assert usage is not None
    assert (usage.input, usage.output, usage.cached) == (2006, 300, 1920)
    assert (usage.cache_written, usage.reasoning) == (64, 256)
    assert usage.more["output", "accepted_prediction_tokens"] == 3
    assert read("odd_deepseek").usage == Usage(14, 30, cached=8, reasoning=20)
    assert read("odd_vllm_stop_words").usage == Usage(5, 3)
    assert read("odd_mistral_thinking").usage is None


def test_how_likely_the_tokens_were_is_read() -> None:
    [text], [refusal] = read("logprobs").blocks, read("refusal_logprobs").blocks
    assert [token["token"] for token in text.logprobs or ()] == ["Hi", "!"]
    assert [token["token"] for token in refusal.logprobs or ()] == ["No."]


def test_an_answer_of_few_fields_is_read() -> None:
    assert read("odd_bare") == NeutralAnswer("", "", 1741569952, (Block("text", "hi"),), "stop")


@pytest.mark.parametrize(
    "change",
    [
        {"choices": None},
        {"choices": []},
        {"choices": [5]},
        {"choices": [{"index": 1, "message": {}, "finish_reason": "stop"}]},
        {"choices": [{"message": {}, "finish_reason": "stop"}] * 2},
        {"choices": [{"message": {}, "finish_reason": None}]},
        {"choices": [{"message": {}, "finish_reason": "ENGINE_TIMEOUT"}]},
        {"choices": [{"message": {}, "finish_reason": "error"}]},
        {"choices": [{"finish_reason": "stop"}]},
        {"choices": [{"message": {"content": 5}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": [{"type": "video"}]}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": [{"type": "thinking", "thinking": 5}]}}]},
        {
            "choices": [
                {
                    "message": {"content": [{"type": "thinking", "thinking": [{"type": "x"}]}]},
                    "finish_reason": "stop",
                }
            ]
        },
        {"choices": [{"message": {"audio": {"id": "a"}}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"tool_calls": [{"type": "mcp"}]}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"tool_calls": [{"function": {}}]}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"tool_calls": ["f"]}, "finish_reason": "stop"}]},
        {"id": 5},
        {"error": {"message": "overloaded"}},
    ],
)
def test_what_is_no_answer_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        CHAT.read_answer(ANSWERS["text"] | change)


# --- there and back


@pytest.mark.parametrize(
    "name", [n for n in ANSWERS if n not in ("odd_bare", "odd_vllm_stop_words")]
)
def test_an_answer_read_again_is_the_same(name: str) -> None:
    assert CHAT.read_answer(CHAT.write_answer(read(name), making())) == read(name)


# --- write


def test_an_answer_of_nothing_but_text_is_written() -> None:
    usage = Usage(5, 2, cached=3, reasoning=1, more={("input", "audio_tokens"): 4})
    assert written(Block("text", "Hi"), usage=usage) == {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "model-x",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 2,
            "total_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    }
    assert "usage" not in written(Block("text", "Hi"))


def test_blocks_of_a_kind_are_written_together() -> None:
    message = said(
        Block("reasoning", "One."),
        Block("text", "a"),
        Block("summary", "Two."),
        Block("redacted", sealed="x", sealed_by="messages"),
        Block("text", "b"),
        Block("tool", "", "", "f"),
        Block("tool", '{"x":1}', "call_9", "g"),
        reason="tool_calls",
    )
    assert list(message.pop("extra_content")["clawmatrix"]) == ["2"]
    assert message == {
        "role": "assistant",
        "content": "ab",
        "refusal": None,
        "reasoning_content": "One.\n\nTwo.",
        "tool_calls": [
            {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "call_9", "type": "function", "function": {"name": "g", "arguments": '{"x":1}'}},
        ],
    }


def test_content_is_null_only_where_something_else_is_said() -> None:
    assert said()["content"] == ""
    assert said(Block("tool", "{}", "a", "f"))["content"] is None
    assert said(Block("refusal", "No."))["content"] is None


@pytest.mark.parametrize(
    ("reason", "written_as"),
    [
        ("stop", "stop"),
        ("stop_sequence", "stop"),
        ("length", "length"),
        ("pause", "length"),
        ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"),
        ("refusal", "content_filter"),
    ],
)
def test_every_end_is_written(reason: FinishReason, written_as: str) -> None:
    assert written(Block("text", "x"), reason=reason)["choices"][0]["finish_reason"] == written_as


def test_a_refusal_with_words_is_an_answer_that_stopped() -> None:
    choice = written(Block("refusal", "No."), reason="refusal")["choices"][0]
    assert (choice["finish_reason"], choice["message"]["refusal"]) == ("stop", "No.")


@pytest.mark.parametrize("others", [["x"], [[1]], "words", {"a": 1}, 5])
def test_tokens_that_might_have_been_are_objects(others: Any) -> None:
    answer = deepcopy(ANSWERS["logprobs"])
    answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"] = others
    with pytest.raises(BadAnswer, match="logprobs"):
        CHAT.read_answer(answer)
