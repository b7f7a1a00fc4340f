"""What the embedded model says."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_model_proxy.demo.embedded_answer import Completion, compute, delay_of
from clawmatrix_model_proxy.errors import ApiError


def ask(content: Any, **more: Any) -> Completion:
    """Return the answer to one message."""
    return compute({"messages": [{"role": "user", "content": content}], **more})


def test_it_says_what_it_is() -> None:
    assert ask("hello").text.startswith("This is the embedded model of ClawMatrix")


def test_it_answers_from_what_it_was_asked() -> None:
    text = ask("how much is 6 * 7, or 1 - 10, or 7/2, or 1/0?").text
    assert "6 * 7 = 42." in text
    assert "1 - 10 = -9." in text
    assert "7/2 = 3.5." in text
    assert "1/0 = undefined." in text
    assert "You wrote 14 words; in capitals: HOW MUCH IS 6 * 7," in text


def test_it_counts() -> None:
    assert ask("Please count to 5!").text == "1 2 3 4 5"


def test_the_last_message_of_the_user_counts() -> None:
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "count to 9"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": [{"type": "text", "text": "count to 2"}]},
    ]
    answer = compute({"messages": messages})
    assert answer.text == "1 2"
    assert answer.usage == {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


@pytest.mark.parametrize("key", ["max_tokens", "max_completion_tokens"])
def test_a_limit_of_tokens_cuts_and_says_so(key: str) -> None:
    assert ask("count to 9", **{key: 3}).text == "1 2 3"
    assert ask("count to 9", **{key: 3}).finish == "length"
    assert ask("count to 9", **{key: 9}).finish == "stop"


@pytest.mark.parametrize("messages", [None, [], {}, "text"])
def test_without_messages_it_is_400(messages: object) -> None:
    with pytest.raises(ApiError) as caught:
        compute({"messages": messages})
    assert (caught.value.status, caught.value.param) == (400, "messages")


def test_odd_messages_are_taken_for_empty() -> None:
    assert "You wrote 0 words" in compute({"messages": [7, {"role": "user"}, None]}).text


def test_the_name_says_how_slow_it_is() -> None:
    assert delay_of("embedded@50ms", 1.0) == 0.05
    assert delay_of("embedded", 1.0) == 1.0
