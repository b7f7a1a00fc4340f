"""What is remembered of refusals, with the clock passed in."""

from __future__ import annotations

import pytest

from clawmatrix_model_proxy.error_text import ErrorText
from clawmatrix_model_proxy.lacks import (
    LACKS,
    REMEMBERED_FOR,
    Lacks,
    is_not_served,
    unknown_setting,
)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_one_refusal_is_nothing_and_two_alike_are_remembered() -> None:
    lacks: Lacks[str] = Lacks(Clock())
    assert not lacks
    lacks.refused("a", "embeddings", "404")
    assert lacks
    assert not lacks.lacks("a", "embeddings")
    lacks.refused("a", "seed", "400")
    lacks.refused("b", "embeddings", "501")
    assert lacks.of("a") == []
    lacks.refused("a", "embeddings", "501")
    assert lacks.lacks("a", "embeddings")
    assert (lacks.of("a"), lacks.of("b")) == (["embeddings"], [])


def test_it_is_forgotten_after_ten_minutes() -> None:
    clock = Clock()
    lacks: Lacks[str] = Lacks(clock)
    for _ in range(2):
        lacks.refused("a", "embeddings", "404")
    clock.now += REMEMBERED_FOR - 1
    assert lacks.describe("a") == [{"what": "embeddings", "why": "404", "forMs": 1000}]
    clock.now += 1
    assert (lacks.lacks("a", "embeddings"), lacks.describe("a")) == (False, [])
    lacks.refused("a", "embeddings", "404")  # begins anew
    assert not lacks.lacks("a", "embeddings")


def test_refusals_far_apart_are_not_two() -> None:
    clock = Clock()
    lacks: Lacks[str] = Lacks(clock)
    lacks.refused("a", "embeddings", "404")
    clock.now += REMEMBERED_FOR
    lacks.refused("a", "embeddings", "404")
    assert not lacks.lacks("a", "embeddings")


def test_an_answer_ends_it() -> None:
    lacks: Lacks[str] = Lacks(Clock())
    lacks.refused("a", "embeddings", "404", sure=True)
    assert lacks.lacks("a", "embeddings")
    lacks.served("a", "embeddings")
    lacks.served("b", "nothing")
    assert not lacks


@pytest.mark.bound("clawmatrix_model_proxy.lacks.LACKS")
def test_what_was_refused_longest_ago_is_forgotten() -> None:
    lacks: Lacks[int] = Lacks(Clock())
    for who in range(LACKS + 1):
        lacks.refused(who, "embeddings", "404", sure=True)
    lacks.refused(1, "embeddings", "404")
    lacks.refused(-1, "embeddings", "404")
    assert [who for who in range(4) if lacks.of(who)] == [1, 3]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (
            ErrorText(codes=["unsupported_parameter"], param="max_tokens", messages=["no"]),
            "max_tokens",
        ),
        (
            ErrorText(codes=["unsupported_value"], param="temperature", messages=["no"]),
            "temperature",
        ),
        (ErrorText(codes=["extra_forbidden"], param="seed", messages=["Extra inputs"]), "seed"),
        (
            ErrorText(messages=["Unrecognized request argument supplied: stream_options"]),
            "stream_options",
        ),
        (ErrorText(messages=["Unknown parameter: 'reasoning'."]), "reasoning"),
        (ErrorText(messages=["thinking: Extra inputs are not permitted"]), "thinking"),
        (ErrorText(messages=["property 'messages.1.name' is unsupported"]), "messages.1.name"),
        (
            ErrorText(
                messages=['Invalid JSON payload received. Unknown name "seed": no'],
            ),
            "seed",
        ),
        (
            ErrorText(messages=["Additional properties are not allowed ('foo' was unexpected)"]),
            "foo",
        ),
        (
            ErrorText(messages=["the parameter `logprobs` is not supported by this model"]),
            "logprobs",
        ),
        (ErrorText(codes=["invalid_value"], param="temperature", messages=["must be < 2"]), None),
        (ErrorText(messages=["This model does not support images"]), None),
        (ErrorText(messages=["max_tokens must be at most 8192"]), None),
        (ErrorText(messages=["temperature: must be at most 1"]), None),
        (ErrorText(), None),
    ],
)
def test_a_setting_that_an_error_names_is_read(said: ErrorText, name: str | None) -> None:
    assert unknown_setting(400, said) == name
    assert unknown_setting(422, said) == name
    assert unknown_setting(500, said) is None


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (404, "", True),
        (405, "Method Not Allowed", True),
        (501, "This server does not support embeddings", True),
        (400, "Unexpected endpoint or method. (POST /v1/embeddings)", True),
        (403, "Invalid URL (POST /v1/responses/input_tokens)", True),
        (422, "Unknown request URL: POST /v1/embeddings", True),
        (400, "input: must be a text", False),
        (500, "Unknown endpoint", False),
        (401, "invalid api key", False),
    ],
)
def test_an_endpoint_that_an_upstream_does_not_have_is_known(
    status: int, message: str, expected: bool
) -> None:
    assert is_not_served(status, ErrorText(messages=[message])) is expected
