"""Schemas of tools and answers, as the APIs take them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugins.model_proxy.convert.fit.converting import sent
from tests.plugins.model_proxy.convert.fit.referees import REFEREES

BRANCH = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
OTHER = {"properties": {"b": {"type": "integer"}, "a": {"type": "string"}}, "required": ["a", "b"]}


def schema_at(upstream: str, schema: Any, **more: Any) -> dict[str, Any]:
    """Return the schema of a tool of a Messages client, or of chat's, as the upstream gets it."""
    if upstream == "messages":
        inner = {"name": "f", "parameters": schema, **more}
        body = sent("chat", upstream, {"tools": [{"type": "function", "function": inner}]})
    else:
        body = sent(
            "messages", upstream, {"tools": [{"name": "f", "input_schema": schema, **more}]}
        )
    assert [*REFEREES[upstream](body)] == []
    [tool] = body["tools"]
    found: dict[str, Any] = (tool.get("function") or tool).get(
        "parameters", tool.get("input_schema")
    )
    return found


@pytest.mark.parametrize("upstream", ["chat", "responses", "messages"])
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"properties": {"a": {"type": "string"}}},
        {},
        None,
        {"type": "object", "properties": None, "required": None},
        {"type": ["object", "null"], "properties": {}},
        {"type": "object", "properties": {"list": {"type": "array"}}},
        {"type": "object", "properties": {"a": {"anyOf": [{"type": "array"}, {"type": "null"}]}}},
        {"type": "object", "additionalProperties": {"type": "array"}},
        {"type": "object", "properties": [], "required": []},
        {"type": "object", "properties": {"a": {"type": "object", "properties": []}}},
        {"type": "object", "properties": {"a": {"type": "string", "required": True}}},
        {"type": "object", "properties": {"a": {"type": "array", "items": [{"type": "number"}]}}},
        {"type": "object", "properties": {"a": {"type": "array", "items": []}}},
        {"anyOf": [BRANCH, OTHER]},
        {"type": "object", "oneOf": [BRANCH, OTHER], "properties": {"c": {}}},
        {"allOf": [BRANCH, OTHER], "required": ["c"]},
        {"$ref": "#/$defs/A", "$defs": {"A": BRANCH}},
        {
            "anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/definitions/nowhere"}],
            "$defs": {"A": BRANCH},
        },
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
    ],
)
def test_the_schema_of_a_tool_has_what_the_api_wants(upstream: str, schema: Any) -> None:
    schema_at(upstream, schema)


def test_what_a_schema_says_is_kept() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"type": "string"}},
            "null": {"const": None},
        },
        "required": ["a"],
        "description": "words",
    }
    assert schema_at("chat", schema) == schema
    assert schema_at("messages", schema) == schema


@pytest.mark.parametrize(("branches", "required"), [("anyOf", ["a"]), ("allOf", ["a", "b"])])
def test_branches_are_put_together(branches: str, required: list[str]) -> None:
    assert schema_at("responses", {branches: [BRANCH, OTHER]}) == {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
        "required": required,
    }


def test_a_tool_without_a_schema_has_an_empty_one() -> None:
    inner = {"type": "function", "name": "f", "parameters": None}
    [tool] = sent("responses", "chat", {"tools": [inner]})["tools"]
    assert tool["function"]["parameters"] == {"type": "object", "properties": {}}


def test_a_strict_tool_is_strict_where_the_api_takes_its_schema_so() -> None:
    strict = {**BRANCH, "additionalProperties": False}
    optional = {**strict, "required": []}
    for schema, expected in ((strict, True), (optional, False), (BRANCH, False)):
        body = sent(
            "messages", "chat", {"tools": [{"name": "f", "input_schema": schema, "strict": True}]}
        )
        assert body["tools"][0]["function"]["strict"] is expected


def test_a_strict_tool_and_the_shape_of_an_answer_are_closed_for_messages() -> None:
    assert schema_at("messages", BRANCH, strict=True)["additionalProperties"] is False
    assert "additionalProperties" not in schema_at("messages", BRANCH)
    form = {"name": "a", "schema": {"type": "object", "properties": {"in": dict(BRANCH)}}}
    body = sent(
        "chat", "messages", {"response_format": {"type": "json_schema", "json_schema": form}}
    )
    told = body["output_config"]["format"]["schema"]
    assert told["additionalProperties"] is told["properties"]["in"]["additionalProperties"] is False
