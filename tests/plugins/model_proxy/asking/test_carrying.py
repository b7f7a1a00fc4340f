"""Which candidates can be told all that a request says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_model_proxy.asking.carrying import carriers_first
from clawmatrix_model_proxy.asking.catalog import Choice
from clawmatrix_model_proxy.asking.health import Target

APIS = ("openai-completions", "openai-responses", "anthropic-messages", "plug:in")
TARGETS = tuple(Target(NodeId("office"), "m", at, api) for at, api in enumerate(APIS))
CHAT, RESPONSES, MESSAGES, OTHER = TARGETS


def losses(format: str, body: Any, targets: tuple[Target, ...] = TARGETS) -> dict[Target, int]:
    sent = body if isinstance(body, bytes) else json.dumps({"model": "m", **body}).encode()
    return {**carriers_first(Choice("m", targets, pinned=False), format, sent).losses}


@pytest.mark.parametrize(
    ("format", "body", "expected"),
    [
        ("chat", {}, {}),
        ("chat", {"temperature": 1, "max_tokens": 5, "metadata": {"a": "b"}}, {}),
        ("chat", {"seed": 1}, {RESPONSES: 1, MESSAGES: 1}),
        ("chat", {"seed": 1, "logit_bias": {"1": 1}}, {RESPONSES: 2, MESSAGES: 2}),
        ("chat", {"stop": "x"}, {RESPONSES: 1}),
        ("chat", {"top_k": 5}, {RESPONSES: 1}),
        ("chat", {"response_format": {"type": "json_object"}}, {MESSAGES: 1}),
        ("chat", {"response_format": {"type": "json_schema"}}, {}),
        ("chat", {"response_format": "json_object"}, {}),
        ("chat", {"audio": {"voice": "a"}, "seed": 1}, {RESPONSES: 101, MESSAGES: 101}),
        ("responses", {"text": {"format": {"type": "json_object"}}}, {MESSAGES: 1}),
        ("responses", {"max_tool_calls": 3}, {CHAT: 100, MESSAGES: 100}),
        ("messages", {"top_k": 5}, {CHAT: 1, RESPONSES: 1}),
        ("messages", {"stop_sequences": ["x"]}, {RESPONSES: 1}),
        ("messages", {"stop_sequences": [], "speed": "standard", "top_k": None}, {}),
        ("embeddings", {"input": "a"}, {}),
    ],
)
def test_what_cannot_be_told_counts_and_more_where_it_is_refused(
    format: str, body: dict[str, Any], expected: dict[Target, int]
) -> None:
    assert losses(format, body) == expected


def test_where_all_speak_one_api_nothing_is_looked_at() -> None:
    choice = Choice("m", (CHAT, Target(NodeId("lab"), "m", 0, CHAT.api)), pinned=False)
    assert carriers_first(choice, "chat", b"not JSON") is choice


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"seed": }', b'{"a": "\xff"}'])
def test_what_is_no_request_is_left_to_who_is_asked(body: bytes) -> None:
    assert losses("chat", body) == {}
