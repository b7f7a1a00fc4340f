"""What system and developer say, for chat upstreams that take one such text, at the beginning."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugins.model_proxy.convert.fit.converting import call, output, said, sent

ANYWHERE: dict[str, Any] = {"system_anywhere": True}
USER, ANSWER = said("user", "go"), said("assistant", "yes")


def messages(*items: Any, instructions: str = "", **model: Any) -> list[tuple[str, Any]]:
    """Return the roles and words of what a chat upstream gets of a Responses client's items."""
    body = {"input": [*items], **({"instructions": instructions} if instructions else {})}
    told = sent("responses", "chat", body, **model)["messages"]
    return [(one["role"], one["content"]) for one in told]


@pytest.mark.parametrize("model", [{}, ANYWHERE])
def test_what_is_said_before_the_user_is_one_system_text(model: dict[str, Any]) -> None:
    told = messages(said("developer", "B"), said("system", "C"), USER, instructions="A", **model)
    assert told == [("system", "A\n\nB\n\nC"), ("user", "go")]


def test_what_is_said_before_the_user_stands_before_the_assistants_first_words_too() -> None:
    told = messages(said("system", "A"), ANSWER, said("developer", "B"), USER)
    assert told == [("system", "A\n\nB"), ("assistant", "yes"), ("user", "go")]


def test_a_later_text_is_the_users_and_marked_or_stays_where_the_model_takes_it() -> None:
    items = [said("system", "A"), USER, ANSWER, said("developer", "B"), said("user", "on")]
    begin = [("system", "A"), ("user", "go"), ("assistant", "yes")]
    marked = ("user", "<developer>\nB\n</developer>")
    assert messages(*items) == [*begin, marked, ("user", "on")]
    assert messages(*items, **ANYWHERE) == [*begin, ("system", "B"), ("user", "on")]


def test_several_later_texts_each_stay_in_their_place() -> None:
    items = [USER, said("system", "A"), ANSWER, said("developer", "B"), said("user", "on")]
    assert messages(*items) == [
        ("user", "go"),
        ("user", "<developer>\nA\n</developer>"),
        ("assistant", "yes"),
        ("user", "<developer>\nB\n</developer>"),
        ("user", "on"),
    ]


def test_a_later_text_between_a_call_and_its_result_comes_behind_the_result() -> None:
    items = [said("system", "A"), USER, call("a"), said("developer", "B"), output("a")]
    assert [role for role, _ in messages(*items)] == ["system", "user", "assistant", "tool", "user"]


def test_a_model_that_knows_the_developer_is_told_of_it() -> None:
    known: dict[str, Any] = {"developer_role": True}
    items = [said("developer", "A"), said("developer", "B"), USER, said("developer", "C")]
    assert messages(*items, **known) == [
        ("developer", "A\n\nB"),
        ("user", "go"),
        ("developer", "C"),
    ]
    mixed = messages(said("system", "A"), said("developer", "B"), USER, **known)
    assert mixed[0] == ("system", "A\n\nB")


def test_a_messages_clients_texts_are_placed_alike() -> None:
    blocks = [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]
    turns = [said("system", "C"), USER, ANSWER, said("system", "D"), said("user", "on")]
    body = {"system": blocks, "messages": turns}
    told = sent("messages", "chat", body)["messages"]
    assert [(one["role"], one["content"]) for one in told] == [
        ("system", "A\n\nB\n\nC"),
        ("user", "go"),
        ("assistant", "yes"),
        ("user", "<developer>\nD\n</developer>"),
        ("user", "on"),
    ]


@pytest.mark.parametrize("upstream", ["messages"])
def test_other_apis_have_their_own_places_for_it(upstream: str) -> None:
    items = [USER, ANSWER, said("developer", "B"), said("user", "on")]
    told = sent("responses", upstream, {"input": items})
    assert "<developer>" not in str(told)


def test_a_conversation_without_such_texts_is_as_it_was() -> None:
    assert messages(USER, ANSWER, said("user", "on")) == [
        ("user", "go"),
        ("assistant", "yes"),
        ("user", "on"),
    ]
