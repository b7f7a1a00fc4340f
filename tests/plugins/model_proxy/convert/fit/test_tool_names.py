"""Names of tools that an API refuses, on their way there and back."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.plugins.model_proxy.convert.fit.converting import CODECS, bridge, sent, streamed
from tests.plugins.model_proxy.convert.fit.referees import REFEREES

LONG = "mcp__the_build_server_of_the_whole_team__list_all_failed_jobs_of_the_last_week"
SCHEMA = {"type": "object", "properties": {}}
NAMES = [LONG, LONG + "s", "files.read", "files:read", "files read", "café", "x" * 65, "ok"]


def tools(client: str, *names: str) -> list[dict[str, Any]]:
    match client:
        case "chat":
            inner = [{"name": name, "parameters": SCHEMA} for name in names]
            return [{"type": "function", "function": one} for one in inner]
        case "responses":
            return [{"type": "function", "name": name, "parameters": SCHEMA} for name in names]
    return [{"name": name, "input_schema": SCHEMA} for name in names]


def names_in(body: dict[str, Any]) -> list[str]:
    return [(tool.get("function") or tool)["name"] for tool in body["tools"]]


PAIRS = [(client, upstream) for client in CODECS for upstream in CODECS if client != upstream]
every_pair = pytest.mark.parametrize(("client", "upstream"), PAIRS)


def answer(upstream: str, name: str) -> dict[str, Any]:
    """Return an answer that calls a tool."""
    match upstream:
        case "chat":
            made = {"id": "c", "type": "function", "function": {"name": name, "arguments": "{}"}}
            message = {"role": "assistant", "content": None, "tool_calls": [made]}
            choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
            return {"id": "c1", "created": 1, "model": "m", "choices": [choice]}
        case "responses":
            item = {"type": "function_call", "call_id": "c", "name": name, "arguments": "{}"}
            return {"id": "r", "model": "m", "status": "completed", "output": [item]}
    block = {"type": "tool_use", "id": "c", "name": name, "input": {}}
    rest = {"role": "assistant", "stop_reason": "tool_use", "usage": {}}
    return {"id": "m1", "model": "m", "content": [block], **rest}


@every_pair
def test_names_come_back_as_the_client_gave_them(client: str, upstream: str) -> None:
    body = {"tools": tools(client, *NAMES)}
    told = sent(client, upstream, body)
    assert [*REFEREES[upstream](told)] == []
    there = names_in(told)
    assert len({*there}) == len(NAMES)
    assert there[-1] == "ok"
    made = bridge(client, upstream, body)
    for ours, theirs in zip(NAMES, there, strict=True):
        whole = json.loads(made.whole(json.dumps(answer(upstream, theirs)).encode()))
        assert [ours] == called(client, whole)
        out = made.streamed(json.dumps(answer(upstream, theirs)).encode())
        assert json.dumps(ours).encode() in out or ours.encode() in out


def called(client: str, whole: dict[str, Any]) -> list[str]:
    if client == "chat":
        return [one["function"]["name"] for one in whole["choices"][0]["message"]["tool_calls"]]
    kinds = ("function_call", "tool_use")
    items = whole["output"] if client == "responses" else whole["content"]
    return [one["name"] for one in items if one["type"] in kinds]


def test_names_in_a_stream_are_the_clients() -> None:
    made = bridge("messages", "chat", {"tools": tools("messages", LONG)})
    [theirs] = names_in(sent("messages", "chat", {"tools": tools("messages", LONG)}))
    made_call = {"index": 0, "id": "c", "type": "function"}
    pieces = [
        {"tool_calls": [{**made_call, "function": {"name": theirs, "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
    ]
    chunks = [{"choices": [{"index": 0, "delta": one, "finish_reason": None}]} for one in pieces]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    stream = b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in [*chunks, end])
    out, _ = streamed(made, stream + b"data: [DONE]\n\n")
    assert LONG.encode() in out
    assert theirs.encode() not in out


@every_pair
def test_a_choice_of_a_tool_and_earlier_calls_have_its_other_name(
    client: str, upstream: str
) -> None:
    choices: dict[str, Any] = {
        "chat": {"type": "function", "function": {"name": LONG}},
        "responses": {"type": "function", "name": LONG},
        "messages": {"type": "tool", "name": LONG},
    }
    body = {"tools": tools(client, LONG), "tool_choice": choices[client], **history(client)}
    told = sent(client, upstream, body)
    assert [*REFEREES[upstream](told)] == []
    [name] = names_in(told)
    assert json.dumps(told).count(json.dumps(name)) == 3  # the tool, the choice, the call


def history(client: str) -> dict[str, Any]:
    go = {"role": "user", "content": "go"}
    if client == "chat":
        inner = {"name": LONG, "arguments": "{}"}
        made = {
            "role": "assistant",
            "tool_calls": [{"id": "a", "type": "function", "function": inner}],
        }
        return {"messages": [go, made, {"role": "tool", "tool_call_id": "a", "content": "x"}]}
    if client == "responses":
        made = {"type": "function_call", "call_id": "a", "name": LONG, "arguments": "{}"}
        result = {"type": "function_call_output", "call_id": "a", "output": "x"}
        return {"input": [go, made, result]}
    use = {"type": "tool_use", "id": "a", "name": LONG, "input": {}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
    sides = (("assistant", use), ("user", result))
    return {"messages": [go, *({"role": role, "content": [one]} for role, one in sides)]}


def test_names_that_the_node_makes_of_namespaces_are_shortened_and_parted_again() -> None:
    inner = {"type": "function", "name": "list_all_the_failed_jobs_of_a_merge_request"}
    space = {"type": "namespace", "name": "mcp__build_server_of_the_team", "tools": [inner]}
    body = {"tools": [space]}
    told = sent("responses", "chat", body)
    assert [*REFEREES["chat"](told)] == []
    [theirs] = names_in(told)
    made = bridge("responses", "chat", body)
    [item] = json.loads(made.whole(json.dumps(answer("chat", theirs)).encode()))["output"]
    assert (item["namespace"], item["name"]) == (space["name"], inner["name"])


def test_a_name_is_the_same_whatever_else_there_is() -> None:
    [alone] = names_in(sent("messages", "chat", {"tools": tools("messages", LONG)}))
    several = names_in(sent("messages", "chat", {"tools": tools("messages", "a.b", LONG)}))
    assert several[1] == alone
    assert re.fullmatch(r"mcp__the_build_server_of_the_whole_team__list_\w{18}", alone)


def test_a_tool_that_has_the_name_of_another_in_its_place_keeps_it() -> None:
    [theirs] = names_in(sent("messages", "chat", {"tools": tools("messages", LONG)}))
    body = {"tools": tools("messages", LONG, theirs)}
    there = names_in(sent("messages", "chat", body))
    assert there[1] == theirs != there[0]
    made = bridge("messages", "chat", body)
    for ours, name in zip([LONG, theirs], there, strict=True):
        whole = json.loads(made.whole(json.dumps(answer("chat", name)).encode()))
        assert called("messages", whole) == [ours]


@pytest.mark.parametrize("form", [{"name": "a b"}, {"name": "x" * 65}])
def test_the_name_of_an_answers_shape_is_one_that_the_api_takes(form: dict[str, Any]) -> None:
    schema = {"type": "json_schema", "schema": {"type": "object"}, **form}
    body = sent("responses", "chat", {"text": {"format": schema}})
    assert re.fullmatch(r"[\w-]{1,64}", body["response_format"]["json_schema"]["name"])
