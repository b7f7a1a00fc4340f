"""Results right behind their calls, whatever stood between them, with ids that the API takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_model_proxy.neutral.codec import Unsupported
from tests.plugins.model_proxy.convert.fit.converting import call, output, said, sent
from tests.plugins.model_proxy.convert.fit.referees import REFEREES

UPSTREAMS = ("chat", "messages")
every_upstream = pytest.mark.parametrize("upstream", UPSTREAMS)


def shape(body: dict[str, Any]) -> list[Any]:
    """Return who says what in a request of chat completions."""
    found: list[Any] = []
    for message in body["messages"]:
        found += [("call", one["id"]) for one in message.get("tool_calls") or ()]
        if message["role"] == "tool":
            found.append(("result", message["tool_call_id"], message["content"]))
        elif message["content"]:
            found.append((message["role"], message["content"]))
    return found


@pytest.mark.parametrize(
    "items",
    [
        [said("user", "go"), call("a"), said("user", "hurry"), output("a")],
        [said("user", "go"), call("a"), said("developer", "note"), output("a")],
        [said("user", "go"), call("a"), said("system", "note"), said("user", "now"), output("a")],
        [said("user", "go"), call("a"), call("b"), output("b"), said("user", "x"), output("a")],
        [said("user", "go"), call("a"), said("user", "x"), call("b"), output("a"), output("b")],
        [said("user", "go"), call("a"), said("assistant", "busy"), output("a")],
        [said("user", "go"), output("a"), call("a")],
        [said("user", "go"), call("a"), said("user", "never mind")],
        [said("user", "go"), call("a"), call("b"), output("b"), said("user", "on")],
        [said("user", "go"), call("a"), output("a", "1"), output("a", "2"), said("user", "on")],
        [said("user", "go"), call("0"), output("0"), call("0"), output("0"), said("user", "on")],
        [said("user", "go"), call("0"), call("0"), output("0", "1"), output("0", "2")],
    ],
)
@every_upstream
def test_results_stand_right_behind_their_calls(items: list[Any], upstream: str) -> None:
    assert [*REFEREES[upstream](sent("responses", upstream, {"input": items}))] == []


def test_a_chat_clients_ids_that_begin_anew_reach_responses_as_different_ones() -> None:
    items = [call("0"), output("0"), said("user", "on"), call("0"), output("0"), call("1")]
    body = sent("chat", "responses", {"messages": as_chat([said("user", "go"), *items])})
    assert [*REFEREES["responses"](body)] == []


def as_chat(items: list[Any]) -> list[Any]:
    """Return items as messages of chat completions."""
    found: list[Any] = []
    for one in items:
        if one.get("type") == "function_call":
            inner = {"name": one["name"], "arguments": one["arguments"]}
            made = {"id": one["call_id"], "type": "function", "function": inner}
            if found[-1]["role"] != "assistant":
                found.append({"role": "assistant", "content": None, "tool_calls": []})
            found[-1]["tool_calls"].append(made)
        elif one.get("type") == "function_call_output":
            result = {"role": "tool", "tool_call_id": one["call_id"], "content": one["output"]}
            found.append(result)
        else:
            found.append(one)
    return found


def test_words_that_stood_between_come_behind_the_results() -> None:
    items = [said("user", "go"), call("a"), call("b"), said("user", "hurry"), output("b", "B")]
    body = sent("responses", "chat", {"input": [*items, output("a", "A"), said("user", "on")]})
    assert shape(body) == [
        ("user", "go"),
        ("call", "a"),
        ("call", "b"),
        ("result", "a", "A"),
        ("result", "b", "B"),
        ("user", "hurry"),
        ("user", "on"),
    ]


def test_results_in_several_messages_of_the_users_are_those_of_one_turn() -> None:
    uses: list[dict[str, Any]] = [
        {"type": "tool_use", "id": i, "name": "f", "input": {}} for i in ("a", "b", "c")
    ]

    def result(call_id: str) -> dict[str, Any]:
        return {"type": "tool_result", "tool_use_id": call_id, "content": call_id.upper()}

    turns = [
        said("user", "go"),
        {"role": "assistant", "content": uses},
        {"role": "user", "content": [result("c"), {"type": "text", "text": "wait"}]},
        {"role": "user", "content": [result("a")]},
        {"role": "user", "content": [{"type": "text", "text": "and"}, result("b")]},
    ]
    for upstream in ("chat", "responses"):
        body = sent("messages", upstream, {"messages": turns})
        assert [*REFEREES[upstream](body)] == []
    assert shape(sent("messages", "chat", {"messages": turns}))[4:] == [
        ("result", "a", "A"),
        ("result", "b", "B"),
        ("result", "c", "C"),
        ("user", "wait"),
        ("user", "and"),
    ]


def test_a_call_without_a_result_gets_one_that_says_it_failed() -> None:
    body = sent("responses", "messages", {"input": [call("a"), said("user", "never mind")]})
    [_, answer] = body["messages"]
    assert answer["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "is_error": True},
        {"type": "text", "text": "never mind"},
    ]


def test_two_parts_of_a_result_are_one() -> None:
    items = [said("user", "go"), call("a"), output("a", "1"), output("a", "2")]
    [_, _, answer] = sent("responses", "messages", {"input": items})["messages"]
    texts = [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}]
    assert answer["content"] == [{"type": "tool_result", "tool_use_id": "a", "content": texts}]


def test_a_result_belongs_to_the_latest_call_of_its_id() -> None:
    items = [call("0", "f"), said("user", "again"), call("0", "g"), output("0", "of g")]
    body = sent("responses", "messages", {"input": items})
    [first, lost, second, result] = body["messages"]
    assert lost["content"][0] == {
        "type": "tool_result",
        "tool_use_id": first["content"][0]["id"],
        "is_error": True,
    }
    assert result["content"] == [
        {"type": "tool_result", "tool_use_id": second["content"][0]["id"], "content": "of g"}
    ]


@every_upstream
def test_a_result_of_no_call_is_refused_by_name(upstream: str) -> None:
    with pytest.raises(Unsupported, match="the call 'lost'"):
        sent("responses", upstream, {"input": [said("user", "go"), output("lost")]})


# --- ids


def ids(client: str, upstream: str, *given: str) -> list[str]:
    """Return the ids by which an upstream is told of calls, each of which has its result."""
    items = [said("user", "go")]
    for one in given:
        items += [call(one), output(one, one)]
    body = {"input": items} if client == "responses" else {"messages": as_chat(items)}
    told = sent(client, upstream, body)
    assert [*REFEREES[upstream](told)] == []
    if upstream == "messages":
        blocks = [one for message in told["messages"][1:] for one in message["content"]]
        return [one["id"] for one in blocks if one["type"] == "tool_use"]
    if upstream == "responses":
        return [one["call_id"] for one in told["input"] if one.get("type") == "function_call"]
    calls = [one for message in told["messages"] for one in message.get("tool_calls") or ()]
    return [one["id"] for one in calls]


@pytest.mark.parametrize("upstream", ["messages", "responses"])
@pytest.mark.parametrize(
    "given_",
    [
        ("a.1", "a:1"),
        ("a.1", "a:1", "a_1"),
        ("functions.f:0", "functions.f:1", "functions_f:1"),
        ("x" * 65, "x" * 66, "x" * 65 + "y"),
        ("é", "ü", "日本"),
        ("a b", "a\tb", "a/b"),
        ("c", "c", "c"),
    ],
)
def test_ids_that_differ_stay_different(upstream: str, given_: tuple[str, ...]) -> None:
    told = ids("chat", upstream, *given_)
    assert len({*told}) == len(given_)


@pytest.mark.parametrize("length", [40, 41, 64, 65, 400])
@pytest.mark.parametrize(("upstream", "most"), [("chat", 40), ("responses", 64), ("messages", 64)])
def test_ids_are_as_long_as_the_api_takes_them(upstream: str, most: int, length: int) -> None:
    client = "chat" if upstream == "responses" else "responses"
    [told] = ids(client, upstream, "k" * length)
    assert (told == "k" * length) is (length <= most)
    assert len(told) <= most


def test_an_id_is_the_same_in_the_next_turn() -> None:
    first = ids("chat", "messages", "a.1")
    assert ids("chat", "messages", "a.1", "a:1", "a.1")[:1] == first


def test_an_id_that_looks_like_one_of_ours_is_no_other_calls() -> None:
    [ours] = ids("chat", "messages", "a.1")
    assert len({*ids("chat", "messages", ours, "a.1", ours)}) == 3


@given(
    st.lists(
        st.builds(said, st.sampled_from(["user", "developer", "assistant"]), st.just("x"))
        | st.builds(call, st.sampled_from(["a", "b", "a.b", "a:b"]))
        | st.builds(output, st.sampled_from(["a", "b", "a.b", "a:b"])),
        max_size=12,
    ),
    st.sampled_from(UPSTREAMS),
)
def test_whatever_the_order_the_upstream_refuses_nothing(items: list[Any], upstream: str) -> None:
    calls, results = (
        {one["call_id"] for one in items if one.get("type") == kind}
        for kind in ("function_call", "function_call_output")
    )
    known = [one for one in items if one.get("type") != "function_call_output"]
    body = {"input": [said("user", "go"), *(items if results <= calls else known)]}
    assert [*REFEREES[upstream](sent("responses", upstream, body))] == []
