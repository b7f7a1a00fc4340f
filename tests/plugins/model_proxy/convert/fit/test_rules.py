"""Each rule is needed: without it, the maker's own server refuses what it takes with it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from clawmatrix_model_proxy.convert.fit.request import fitted, rules_of
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.rules import NO_RULES, ApiRules, Range, SchemaRules, Words
from tests.plugins.model_proxy.convert.fit.converting import BODIES, CODECS, call, output, said
from tests.plugins.model_proxy.convert.fit.referees import REFEREES

TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}


def tools(**more: Any) -> dict[str, Any]:
    return {"tools": [{**TOOL, **more}]}


def functions(*names: str) -> dict[str, Any]:
    inner = [{"name": name, "parameters": TOOL["input_schema"]} for name in names]
    return {"tools": [{"type": "function", "function": one} for one in inner]}


def chat_calls(*ids: str) -> dict[str, Any]:
    made = [
        {"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in ids
    ]
    results = [{"role": "tool", "tool_call_id": i, "content": "x"} for i in ids]
    turns = [said("user", "go"), {"role": "assistant", "tool_calls": made}, *results]
    return {"messages": turns}


def calls(*ids: str) -> dict[str, Any]:
    pairs = [one for i in ids for one in (call(i), output(i), said("user", "on"))]
    return {"input": [said("user", "go"), *pairs]}


LONG = "n" * 65
EXAMPLES: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("chat", "call_ids"): ("responses", calls("c" * 41)),
    ("chat", "tool_names"): ("messages", tools(name=LONG)),
    ("chat", "lengths"): ("messages", {"metadata": {"user_id": "u" * 65}}),
    ("chat", "ranges"): ("messages", {"max_tokens": 0}),
    ("chat", "stops"): ("messages", {"stop_sequences": [*"abcde"]}),
    ("chat", "schemas"): ("messages", tools(input_schema={"type": "object"})),
    ("responses", "call_ids"): ("chat", chat_calls("c" * 65)),
    ("responses", "tool_names"): ("chat", functions("a.b")),
    ("responses", "lengths"): ("messages", {"metadata": {"user_id": "u" * 65}}),
    ("responses", "ranges"): ("chat", {"max_tokens": 15}),
    ("responses", "stops"): ("chat", {"stop": "x"}),
    ("responses", "schemas"): ("messages", tools(input_schema={"type": "object"})),
    ("messages", "call_ids"): ("chat", chat_calls("a.b")),
    ("messages", "tool_names"): ("chat", functions("a.b")),
    ("messages", "lengths"): ("chat", {"user": "u" * 257}),
    ("messages", "ranges"): ("chat", {"temperature": 1.1}),
    ("messages", "together"): ("chat", {"temperature": 0.5, "top_p": 0.5}),
    ("messages", "stops"): ("chat", {"stop": "\n"}),
    ("messages", "json"): ("chat", {"response_format": {"type": "json_object"}}),
    ("messages", "schemas"): ("responses", {"tools": [{**FUNCTION, "parameters": {"anyOf": []}}]}),
    ("messages", "thinking"): ("chat", {"reasoning_effort": "low", "top_k": 5}),
}
FORMAT = {"type": "json_schema", "name": "a b", "schema": {"type": "object"}}
for name, client in (("chat", "responses"), ("responses", "chat")):
    form: dict[str, Any] = {"text": {"format": FORMAT}}
    if client == "chat":
        form = {"response_format": {"type": "json_schema", "json_schema": {**FORMAT}}}
        del form["response_format"]["json_schema"]["type"]
    EXAMPLES[name, "format_names"] = (client, form)


def faults(upstream: str, client: str, body: dict[str, Any], rules: ApiRules) -> list[str]:
    """Return what the upstream's maker refuses of a request that keeps to some rules."""
    request = CODECS[client].read_request({**BODIES[client], **body})
    try:
        fit = fitted(request, rules, strict=False)
        written = CODECS[upstream].write_request(fit.request, max_tokens=99)
    except Unsupported as refused:
        return [str(refused)]
    return [*REFEREES[upstream](written)]


@pytest.mark.parametrize(("upstream", "rule"), EXAMPLES)
def test_a_rule_is_needed(upstream: str, rule: str) -> None:
    client, body = EXAMPLES[upstream, rule]
    rules = rules_of(CODECS[upstream])
    assert faults(upstream, client, body, rules) == []
    without: Any = attrs.evolve(rules, **{rule: getattr(NO_RULES, rule)})
    assert faults(upstream, client, body, without) != []


def test_each_rule_has_an_example() -> None:
    names = [field.name for field in attrs.fields(ApiRules)]
    told = {
        (api, name)
        for api, codec in CODECS.items()
        for name in names
        if getattr(codec.rules, name) != getattr(NO_RULES, name)
    }
    assert told == {*EXAMPLES}


# --- the values


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("a", True),
        ("A-z_0", True),
        ("", False),
        ("a.b", False),
        ("x" * 12, True),
        ("x" * 13, False),
    ],
)
def test_words_say_which_names_are_taken(name: str, taken: bool) -> None:
    assert Words("a-zA-Z0-9_-", 12).take(name) is taken


def test_words_have_what_the_node_makes_names_of() -> None:
    for letters, most in (("a-z", 64), ("a-z0-9-", 64), ("a-z0-9_", 11)):
        with pytest.raises(ValueError, match=r"letters must have|'most' must be >= 12"):
            Words(letters, most)


def test_words_may_say_what_a_name_begins_with() -> None:
    words = Words("a-z0-9._", 12, first="a-z_")
    assert (words.take("a.1"), words.take("1.a"), words.take("_a")) == (True, False, True)
    assert words.with_other_letters("1:a") == "_1_a"


def test_the_nearest_of_a_range() -> None:
    assert [Range(1, 3).nearest(value) for value in (0, 1, 2.5, 9)] == [1, 1, 2.5, 3]
    assert Range().nearest(-5) == -5


def test_an_api_without_rules_is_asked_as_the_client_asks() -> None:
    assert rules_of(object()) is NO_RULES
    request = CODECS["chat"].read_request({**chat_calls("a.b"), "stop": ["x"], **functions("é")})
    fit = fitted(request, NO_RULES, strict=False)
    assert (fit.names, fit.stops, fit.wants_json) == ({}, (), False)
    assert fit.request.tools == request.tools
    assert fit.request.settings == request.settings
    assert SchemaRules() == SchemaRules(typed=True, properties=True, plain=True)
