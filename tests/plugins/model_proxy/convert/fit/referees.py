"""What the makers' own servers refuse, written down once more: they know nothing of our rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["REFEREES"]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def chat_faults(body: dict[str, Any]) -> Iterator[str]:
    """Give what OpenAI's chat completions refuse of a request."""
    waiting: list[str] = []
    for at, message in enumerate(body["messages"]):
        if waiting and message["role"] != "tool":
            yield f"messages[{at}] stands between calls and their results {waiting}"
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                yield f"messages[{at}] is a result of no call that waits"
            else:
                waiting.remove(message["tool_call_id"])
            continue
        waiting = [one["id"] for one in message.get("tool_calls") or ()]
        if len({*waiting}) < len(waiting):
            yield f"messages[{at}] has two calls of one id"
        for one in message.get("tool_calls") or ():
            if len(one["id"]) > 40:
                yield f"messages[{at}] has an id of {len(one['id'])} characters"
            if not _NAME.fullmatch(one[one["type"]]["name"]):
                yield f"messages[{at}] calls a tool by a wrong name"
    if waiting:
        yield f"{waiting} have no results"
    yield from _chat_settings(body)


def _chat_settings(body: dict[str, Any]) -> Iterator[str]:
    tools = [tool[tool["type"]] for tool in body.get("tools") or ()]
    yield from _openai_faults(body, tools)
    if body.get("max_completion_tokens", 1) < 1:
        yield "no tokens"
    if len(body.get("stop") or ()) > 4:
        yield "more than four stops"
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice["type"] == "function":
        yield from _choice_faults(choice["function"]["name"], tools)


def responses_faults(body: dict[str, Any]) -> Iterator[str]:
    """Give what OpenAI's Responses refuse of a request."""
    calls = [one["call_id"] for one in body["input"] if one.get("type") == "function_call"]
    results = [one["call_id"] for one in body["input"] if one.get("type") == "function_call_output"]
    if sorted(calls) != sorted(results) or len({*calls}) < len(calls):
        yield f"the calls {calls} have the results {results}"
    for call_id in calls:
        if not 1 <= len(call_id) <= 64:
            yield f"an id of {len(call_id)} characters"
    for one in body["input"]:
        if one.get("type") == "function_call" and not _NAME.fullmatch(one["name"]):
            yield "a call of a tool by a wrong name"
    tools = body.get("tools") or []
    yield from _openai_faults(body, tools)
    if body.get("max_output_tokens", 16) < 16:
        yield "max_output_tokens below 16"
    yield from (f"{name} is not known" for name in ("stop", "seed", "top_k") if name in body)
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice["type"] == "function":
        yield from _choice_faults(choice["name"], tools)


def messages_faults(body: dict[str, Any]) -> Iterator[str]:
    """Give what Anthropic's Messages refuse of a request."""
    ids: set[str] = set()
    before: list[str] = []
    for at, message in enumerate(body["messages"]):
        blocks = message["content"]
        blocks = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks
        results = [one["tool_use_id"] for one in blocks if one["type"] == "tool_result"]
        if sorted(results) != sorted(before):
            yield f"messages[{at}] has the results {results} of the calls {before}"
        if any(one["type"] == "text" and not one["text"].strip() for one in blocks):
            yield f"messages[{at}] has a text of white space"
        before = [one["id"] for one in blocks if one["type"] == "tool_use"]
        if ids & {*before} or len({*before}) < len(before):
            yield f"messages[{at}] has the id of another call"
        ids |= {*before}
        if any(not re.fullmatch(r"[a-zA-Z0-9_-]+", one) for one in before):
            yield f"messages[{at}] has an id of wrong letters"
    if before:
        yield f"{before} have no results"
    yield from _messages_settings(body)


def _messages_settings(body: dict[str, Any]) -> Iterator[str]:
    for tool in body.get("tools") or ():
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", tool["name"]):
            yield f"the name {tool['name']!r}"
        if tool["input_schema"].get("type") != "object":
            yield "a schema of no object"
        if {"anyOf", "oneOf", "allOf"} & tool["input_schema"].keys():
            yield "a schema of branches"
    if len(body.get("metadata", {}).get("user_id", "")) > 256:
        yield "a long user_id"
    if any(not stop.strip() for stop in body.get("stop_sequences") or ()):
        yield "a stop of white space"
    if not 0 <= body.get("temperature", 1) <= 1:
        yield "a temperature above 1"
    if body["max_tokens"] < 1:
        yield "no tokens"
    if "temperature" in body and "top_p" in body:
        yield "temperature and top_p"
    if body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
        yield from _thinking_faults(body)


def _thinking_faults(body: dict[str, Any]) -> Iterator[str]:
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        yield "thinking with a forced tool"
    if body.get("temperature", 1) != 1 or "top_k" in body or body.get("top_p", 1) < 0.95:
        yield "thinking with a wish for how words are chosen"
    budget = body["thinking"].get("budget_tokens", 1024)
    if budget < 1024 or ("budget_tokens" in body["thinking"] and body["max_tokens"] <= budget):
        yield "a budget of thoughts out of its range"


def _openai_faults(body: dict[str, Any], tools: list[dict[str, Any]]) -> Iterator[str]:
    for tool in tools:
        if not _NAME.fullmatch(tool["name"]):
            yield f"the name {tool['name']!r}"
        schema = tool.get("parameters")
        if "parameters" in tool:
            if not isinstance(schema, dict) or schema.get("type") != "object":
                yield "a schema of no object"
            elif not isinstance(schema.get("properties"), dict):
                yield "a schema without properties"
            elif {"anyOf", "oneOf", "allOf", "$ref"} & schema.keys():
                yield "a schema of branches"
            else:
                yield from _inner_faults(schema)
    form = body.get("response_format", {}).get("json_schema") or body.get("text", {}).get("format")
    if form is not None and not _NAME.fullmatch(form["name"]):
        yield f"the format's name {form['name']!r}"
    if len(body.get("user") or "") > 64:
        yield "a long user"
    if len(body.get("prompt_cache_key") or "") > 64:
        yield "a long prompt_cache_key"


def _inner_faults(schema: Any) -> Iterator[str]:
    """Give what a schema has within that no draft of today allows, or OpenAI does not."""
    if isinstance(schema, list):
        for one in schema:
            yield from _inner_faults(one)
    elif isinstance(schema, dict):
        if schema.get("type") == "array" and not isinstance(schema.get("items"), dict):
            yield "an array without items"
        if not isinstance(schema.get("required", []), list):
            yield "required of no list"
        if isinstance(schema.get("type"), str) and not isinstance(
            schema.get("properties", {}), dict
        ):
            yield "properties of no object"
        for one in schema.values():
            yield from _inner_faults(one)


def _choice_faults(name: str, tools: list[dict[str, Any]]) -> Iterator[str]:
    if name not in {tool["name"] for tool in tools}:
        yield f"a choice of {name!r}, which is no tool"


REFEREES: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {
    "chat": chat_faults,
    "responses": responses_faults,
    "messages": messages_faults,
}
