"""Settings in the ranges and the lengths that an API takes, and those that it takes no two of."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_model_proxy.convert.fit.request import fitted
from clawmatrix_model_proxy.convert.messages.rules import RULES
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.request import NeutralRequest, Text, Turn
from tests.plugins.model_proxy.convert.fit.converting import bridge, sent
from tests.plugins.model_proxy.convert.fit.referees import REFEREES

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
USER = "user_" + "0123456789abcdef" * 4 + "_account_" + "1" * 36


def dropped(client: str, upstream: str, body: dict[str, Any]) -> tuple[str, ...]:
    """Return what the client is told of that was left behind."""
    made = bridge(client, upstream, body)
    made.written(model())
    return made.dropped


def model(**more: Any) -> Any:
    from clawmatrix_model_proxy.api import ModelUpstream

    return ModelUpstream("m", "http://127.0.0.1:1/v1", **more)


# --- lengths


@pytest.mark.parametrize("length", [64, 65, 128, 129, 300])
@pytest.mark.parametrize("upstream", ["chat", "responses"])
def test_a_long_user_is_told_as_a_hash(upstream: str, length: int) -> None:
    one, other = ({"metadata": {"user_id": "u" * (length - 1) + end}} for end in "ab")
    first, second = (sent("messages", upstream, body)["user"] for body in (one, other))
    assert first != second
    assert len(first) <= 64
    assert (first == one["metadata"]["user_id"]) is (length <= 64)
    assert first == sent("messages", upstream, one)["user"]


def test_a_user_of_chats_is_as_long_as_messages_takes_it() -> None:
    assert sent("chat", "messages", {"user": USER})["metadata"]["user_id"] == USER
    told = sent("chat", "messages", {"user": "u" * 257})
    assert [*REFEREES["messages"](told)] == []


@pytest.mark.parametrize(("name", "most"), [("prompt_cache_key", 64), ("safety_identifier", 128)])
def test_other_names_of_who_asks_are_as_long_as_they_may_be(name: str, most: int) -> None:
    assert sent("responses", "chat", {name: "k" * most})[name] == "k" * most
    assert len(sent("responses", "chat", {name: "k" * (most + 1)})[name]) == 64


# --- ranges


@pytest.mark.parametrize("limit", [1, 5, 15, 16, 17])
def test_a_limit_below_the_least_of_responses_is_the_least(limit: int) -> None:
    for body in (
        sent("messages", "responses", {"max_tokens": limit}),
        sent("chat", "responses", {"max_completion_tokens": limit}),
        sent("chat", "responses", {"max_tokens": limit}),
    ):
        assert body["max_output_tokens"] == max(limit, 16)


@pytest.mark.parametrize(("value", "there"), [(0, 0), (0.7, 0.7), (1, 1), (1.2, 1), (2, 1)])
def test_a_temperature_above_what_messages_takes_is_its_most(value: float, there: float) -> None:
    body = {"temperature": value}
    assert sent("chat", "messages", body)["temperature"] == there
    assert dropped("chat", "messages", body) == (("temperature",) if there != value else ())
    if there != value:
        with pytest.raises(Unsupported, match="temperature"):
            bridge("chat", "messages", body, strict=True)


def budget(budget: int, limit: int) -> dict[str, Any]:
    """Return the settings of a request with a budget of thoughts and a limit."""
    thinking = {"type": "enabled", "budget_tokens": budget}
    request = NeutralRequest(
        "messages",
        (Turn("user", (Text("Hi"),)),),
        settings={"thinking": thinking, "max_tokens": limit},
    )
    return fitted(request, RULES, strict=False).request.settings


@pytest.mark.parametrize(
    ("given", "limit", "expected"),
    [(500, 4000, (1024, 4000)), (4000, 3000, (2999, 3000)), (2000, 100, (1024, 1025))],
)
def test_a_budget_of_thoughts_is_within_the_limit(
    given: int, limit: int, expected: tuple[int, int]
) -> None:
    settings: Any = budget(given, limit)
    assert (settings["thinking"]["budget_tokens"], settings["max_tokens"]) == expected


# --- together


@pytest.mark.parametrize(
    "more",
    [
        {"tools": TOOLS, "tool_choice": "required"},
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"temperature": 0.2},
        {"temperature": 1.5},
        {"top_p": 0.5},
        {"top_k": 40},
        {"tools": TOOLS, "tool_choice": "required", "temperature": 0, "top_p": 0.9, "top_k": 1},
    ],
)
@pytest.mark.parametrize("effort", ["low", "high"])
def test_thinking_gives_way_to_what_messages_refuses_with_it(
    more: dict[str, Any], effort: str
) -> None:
    body = sent("chat", "messages", {"reasoning_effort": effort, **more})
    assert [*REFEREES["messages"](body)] == []
    assert body["output_config"] == {"effort": effort}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"tools": TOOLS},
        {"temperature": 1},
        {"top_p": 0.97},
        {"tools": TOOLS, "tool_choice": "auto"},
    ],
)
def test_thinking_stays_with_what_messages_takes(more: dict[str, Any]) -> None:
    body = sent("chat", "messages", {"reasoning_effort": "high", **more})
    assert body["thinking"] == {"type": "adaptive"}
    assert [*REFEREES["messages"](body)] == []


def test_a_responses_clients_forced_tool_goes_before_its_reasoning() -> None:
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
    body = {"reasoning": {"effort": "high"}, "tools": tools, "tool_choice": "required"}
    told = sent("responses", "messages", body)
    assert [*REFEREES["messages"](told)] == []
    assert told["tool_choice"] == {"type": "any"}


@pytest.mark.parametrize(
    ("temperature", "top_p", "there", "told"),
    [
        (0.2, 1, ("temperature", 0.2), ()),
        (1, 0.9, ("top_p", 0.9), ()),
        (0.2, 0.9, ("temperature", 0.2), ("top_p",)),
        (1, 1, ("temperature", 1), ()),
    ],
)
def test_messages_is_told_one_of_temperature_and_top_p(
    temperature: float, top_p: float, there: tuple[str, float], told: tuple[str, ...]
) -> None:
    body = {"temperature": temperature, "top_p": top_p}
    name, value = there
    found = sent("chat", "messages", body)
    assert {n: found[n] for n in ("temperature", "top_p") if n in found} == {name: value}
    assert dropped("chat", "messages", body) == told
    if told:
        with pytest.raises(Unsupported, match="top_p"):
            bridge("chat", "messages", body, strict=True)


# --- without a place

HINTS: list[tuple[str, str, dict[str, Any]]] = [
    ("chat", "messages", {"seed": 1}),
    ("chat", "messages", {"presence_penalty": 0.1}),
    ("chat", "messages", {"frequency_penalty": -0.5}),
    ("chat", "messages", {"logit_bias": {"50256": -100}}),
    ("chat", "messages", {"logprobs": True}),
    ("chat", "messages", {"top_logprobs": 3, "logprobs": True}),
    ("chat", "responses", {"seed": 1}),
    ("chat", "responses", {"presence_penalty": 0.1, "frequency_penalty": 0.1}),
    ("chat", "responses", {"logit_bias": {"50256": -100}}),
    ("chat", "responses", {"top_k": 40}),
    ("chat", "responses", {"min_p": 0.05, "repetition_penalty": 1.1, "top_a": 0.2}),
    ("messages", "chat", {"top_k": 40}),
    ("messages", "responses", {"top_k": 40}),
    ("responses", "messages", {"include": ["message.output_text.logprobs"]}),
]


@pytest.mark.parametrize(("client", "upstream", "body"), HINTS)
def test_a_hint_without_a_place_is_dropped_and_told_or_refused(
    client: str, upstream: str, body: dict[str, Any]
) -> None:
    told = sent(client, upstream, body)
    assert not {*body} & {*told}
    assert {*dropped(client, upstream, body)} == {*body}
    with pytest.raises(Unsupported) as refused:
        bridge(client, upstream, body, strict=True).written(model(strict=True))
    assert refused.value.param in body


@pytest.mark.parametrize(
    "body",
    [
        {"n": 1, "presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}},
        {"logprobs": False, "stop": [], "seed": None, "repetition_penalty": 1},
        {"stop": ["END"], "temperature": 0.5, "user": "ann", "store": False},
    ],
)
def test_what_asks_for_nothing_or_is_carried_is_no_loss(body: dict[str, Any]) -> None:
    assert dropped("chat", "messages", body) == ()
    bridge("chat", "messages", body, strict=True).written(model(strict=True))


def test_a_hint_that_messages_has_is_carried_from_chat() -> None:
    assert sent("chat", "messages", {"top_k": 40})["top_k"] == 40


def test_other_settings_that_are_dropped_are_told_too() -> None:
    body = {"metadata": {"a": "b"}, "verbosity": "low", "prompt_cache_key": "k", "store": True}
    assert {*dropped("chat", "messages", body)} == {*body}


def test_what_no_hint_is_stays_refused() -> None:
    for body in ({"audio": {"voice": "alloy"}}, {"n": 2}, {"modalities": ["audio"]}):
        with pytest.raises(Unsupported):
            sent("chat", "messages", body)
