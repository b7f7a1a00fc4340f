"""What an answer took: every place, every name, every kind of number."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_model_proxy.neutral.answer import Usage
from clawmatrix_model_proxy.neutral.counts import Counts, count_of, usages_in


def usage(*payloads: dict[str, Any]) -> Usage | None:
    counts = Counts()
    for payload in payloads:
        for found in usages_in(payload):
            counts.take(found)
    return counts.usage


@pytest.mark.parametrize(
    ("said", "count"),
    [
        (5, 5),
        (5.0, 5),
        (14417.92, 14418),
        ("57", 57),
        (" 57.0 ", 57),
        (0, 0),
        (None, None),
        (True, None),
        (-1, 0),
        (float("-inf"), 0),
        ("many", None),
        ("", None),
        ("nan", None),
        (float("inf"), None),
        (10**400, None),
        ([5], None),
        ({}, None),
    ],
)
def test_a_count_is_read_or_is_none(said: Any, count: int | None) -> None:
    assert count_of(said) == count


BOTH = {"prompt_tokens": 5, "completion_tokens": 3}


@pytest.mark.parametrize(
    "payload",
    [
        {"usage": BOTH},
        {"usage": {"prompt_tokens": "5", "completion_tokens": 3.2}},
        {"usage": {"input_tokens": 5, "output_tokens": 3}},
        {"usage": {"prompt_tokens": 5, "total_tokens": 8}},
        {"usage": {"completion_tokens": 3, "total_tokens": 8}},
        {"usage": None, "x_groq": {"id": "req_1", "usage": {**BOTH, "queue_time": 0.02}}},
        {"choices": [{"index": 0, "delta": {}, "usage": BOTH}]},
        {"choices": [{"index": 0, "delta": {"usage": BOTH}}]},
        {"choices": [{"index": 0, "message": {"usage": BOTH}}]},
        {"message": {"content": "Hi"}, "prompt_eval_count": 5, "eval_count": 3, "done": True},
        {"timings": {"cache_n": 2, "prompt_n": 3, "prompt_ms": 80.5, "predicted_n": 3}},
        {"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 3}},
        {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 5, "outputTokenCount": 3}},
        {"meta": {"tokens": {"input_tokens": 5, "output_tokens": 3}}},
        {"message": {"usage": BOTH}},
    ],
)
def test_counts_are_found_wherever_a_server_puts_them(payload: dict[str, Any]) -> None:
    found = usage(payload)
    assert found is not None
    assert (found.input, found.output) == (5, 3)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            {
                **BOTH,
                "prompt_tokens_details": {"cached_tokens": 4.0, "audio_tokens": 1, "odd": "x"},
                "completion_tokens_details": {"reasoning_tokens": "2"},
            },
            Usage(5, 3, 4, None, 2, {("input", "audio_tokens"): 1}),
        ),
        ({**BOTH, "cached_tokens": 4}, Usage(5, 3, 4)),
        ({**BOTH, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 1}, Usage(5, 3, 4)),
        # what the cache had is beside a fresh input, and within any other
        (
            {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 7},
            Usage(12, 3, 7),
        ),
        ({**BOTH, "cache_read_input_tokens": 4}, Usage(5, 3, 4)),
        ({"prompt_tokens_details": None, **BOTH}, Usage(5, 3)),
    ],
)
def test_details_are_read_by_any_name(said: dict[str, Any], expected: Usage) -> None:
    assert usage({"usage": said}) == expected


def test_thoughts_beside_what_is_shown_are_part_of_the_output() -> None:
    counts = {"promptTokenCount": 5, "candidatesTokenCount": 3, "thoughtsTokenCount": 4}
    assert usage({"usageMetadata": counts}) == Usage(5, 7, reasoning=4)


def test_counts_of_several_events_are_totals_so_far() -> None:
    told = [{"prompt_tokens": 5, "completion_tokens": n} for n in range(4)]
    assert usage(*({"usage": one} for one in told)) == Usage(5, 3)
    halves = ({"usage": {"prompt_tokens": 5}}, {"usage": {"completion_tokens": 3}})
    assert usage(*halves) == Usage(5, 3)
    zeros = {"usage": {"prompt_tokens": 0, "completion_tokens": 0}}
    assert usage({"usage": BOTH}, zeros) == Usage(5, 3)


@pytest.mark.parametrize("payload", [{}, {"usage": 5}, {"usage": {"odd": 1}}, {"choices": "x"}])
def test_where_nothing_is_told_there_is_no_usage(payload: dict[str, Any]) -> None:
    assert usage(payload) is None
