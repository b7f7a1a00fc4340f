"""Whether thoughts are shown: ``thinking.display`` and ``reasoning.summary`` are each other."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.neutral.codec import Unsupported

HELLO = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 9}


def from_messages(**settings: Any) -> Any:
    request = messages.CODEC.read_request({**HELLO, **settings})
    return responses.CODEC.write_request(request, max_tokens=9).get("reasoning")


def from_responses(**reasoning: Any) -> Any:
    request = responses.CODEC.read_request({"input": "hello", "reasoning": reasoning})
    return messages.CODEC.write_request(request, max_tokens=9).get("thinking")


@pytest.mark.parametrize(
    ("thinking", "reasoning"),
    [
        ({"type": "adaptive", "display": "summarized"}, {"summary": "auto"}),
        ({"type": "adaptive", "display": "omitted"}, None),
        ({"type": "adaptive"}, None),
        (
            {"type": "enabled", "budget_tokens": 20_000, "display": "summarized"},
            {"effort": "high", "summary": "auto"},
        ),
        ({"type": "adaptive", "display": None}, None),
    ],
)
def test_a_display_becomes_a_summary(thinking: dict[str, Any], reasoning: Any) -> None:
    assert from_messages(thinking=thinking) == reasoning


@pytest.mark.parametrize(
    ("reasoning", "thinking"),
    [
        ({"effort": "high", "summary": "auto"}, {"type": "adaptive", "display": "summarized"}),
        ({"effort": "low", "summary": "detailed"}, {"type": "adaptive", "display": "summarized"}),
        (
            {"effort": "low", "generate_summary": "concise"},
            {"type": "adaptive", "display": "summarized"},
        ),
        ({"effort": "high"}, {"type": "adaptive"}),
        ({"effort": "none", "summary": "auto"}, {"type": "disabled"}),
        ({"summary": "auto"}, None),
    ],
)
def test_a_summary_becomes_a_display(reasoning: dict[str, Any], thinking: Any) -> None:
    assert from_responses(**reasoning) == thinking


def test_a_summary_comes_back_as_it_was_asked_for() -> None:
    request = responses.CODEC.read_request({"input": "x", "reasoning": {"summary": "concise"}})
    written = responses.CODEC.write_request(request, max_tokens=9)
    assert written["reasoning"] == {"summary": "concise"}


def test_before_chat_completions_it_is_dropped_as_the_table_says() -> None:
    thinking = {"type": "adaptive", "display": "summarized"}
    request = messages.CODEC.read_request({**HELLO, "thinking": thinking})
    assert "reasoning" not in str(chat.CODEC.write_request(request, max_tokens=9))


@pytest.mark.parametrize("display", ["all", "", 7, ["summarized"]])
def test_a_display_that_nobody_knows_is_refused_by_its_name(display: Any) -> None:
    with pytest.raises(Unsupported) as refused:
        from_messages(thinking={"type": "adaptive", "display": display})
    assert refused.value.param == "thinking.display"
