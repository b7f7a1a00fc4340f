"""Words for the end of an answer that no table has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_model_proxy.neutral.ends import end_of

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import FinishReason

KNOWN: dict[str, FinishReason] = {"stop": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


@pytest.mark.parametrize(
    ("word", "end"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        (" Max Tokens", "length"),
        ("tool-use", "tool_calls"),
        ("COMPLETE", "stop"),
        ("eosFound", "stop"),
        ("because", "stop"),
        ("maxPredictedTokensReached", "length"),
        ("contextLengthReached", "length"),
        ("max_output_tokens", "length"),
        ("content_filter: SAFETY", "content_filter"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("toolCalls", "tool_calls"),
        ("TOOL_CALL", "tool_calls"),
        ("compaction", "pause"),
        ("refused", "refusal"),
        (5, "stop"),
        ({"type": "stop"}, "stop"),
        (None, "stop"),
    ],
)
def test_a_word_is_the_nearest_end(word: object, end: str) -> None:
    assert end_of(word, KNOWN) == end


@pytest.mark.parametrize(
    "word",
    [
        "error",
        "ABORT",
        "user_cancelled",
        "network_error",
        "insufficient_system_resource",
        "timeout",
        "timed_out",
        "function_call_filter: MALFORMED_FUNCTION_CALL",
        "modelUnloaded",
        "failed",
    ],
)
def test_a_failure_is_no_end(word: str) -> None:
    assert end_of(word, KNOWN) is None
