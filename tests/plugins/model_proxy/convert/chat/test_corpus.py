"""The corpus of chat completions, and what is written from it, by the official SDK's own types."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import ConfigDict, TypeAdapter, ValidationError

from tests.plugins.model_proxy.convert.chat.chat_corpus import (
    ANSWERS,
    CHAT,
    REQUESTS,
    STREAMS,
    making,
    payloads_of,
    read_stream,
    written_stream,
)

_REQUEST = TypeAdapter[Any](
    CompletionCreateParamsNonStreaming | CompletionCreateParamsStreaming,
    config=ConfigDict(arbitrary_types_allowed=True),
)
_CHUNK = TypeAdapter(ChatCompletionChunk)
_ANSWER = TypeAdapter(ChatCompletion)
BROKEN = ("error_midway", "odd_openrouter_error", "cut")
UNTYPED = ("custom_call",)
"""Streams with calls of custom tools: upstreams give them, the SDK's types of chunks do not."""


def official(corpus: dict[str, Any]) -> list[str]:
    return [name for name in corpus if not name.startswith("odd_") and name not in UNTYPED]


def check_request(body: dict[str, Any]) -> None:
    # The types have iterables, which are only looked into when somebody asks.
    checked = _REQUEST.validate_python(body)
    assert len(list(checked.get("tools", ()))) == len(body.get("tools") or ())
    for message in checked["messages"]:
        for field in ("content", "tool_calls"):
            value = message.get(field)
            if not isinstance(value, str | None):
                assert list(value)


def check_chunks(payloads: list[Any]) -> None:
    for payload in payloads:
        if payload != "[DONE]" and "error" not in payload:
            _CHUNK.validate_python(payload, strict=True)


@pytest.mark.parametrize("name", official(REQUESTS))
def test_the_requests_of_the_corpus_are_openais(name: str) -> None:
    check_request(REQUESTS[name])


@pytest.mark.parametrize("name", official(ANSWERS))
def test_the_answers_of_the_corpus_are_openais(name: str) -> None:
    _ANSWER.validate_python(ANSWERS[name], strict=True)


@pytest.mark.parametrize("name", official(STREAMS))
def test_the_streams_of_the_corpus_are_openais(name: str) -> None:
    check_chunks(STREAMS[name])


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": [{"role": "nobody", "content": "x"}]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function"}]},
        {"messages": [{"role": "user", "content": "x"}], "tool_choice": "perhaps"},
    ],
)
def test_the_types_refuse_a_wrong_request(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        check_request({"model": "x", **wrong})


def test_the_types_refuse_a_wrong_chunk() -> None:
    chunk = STREAMS["text"][1]
    for wrong in ({"created": None}, {"object": "chunk"}, {"choices": [{"index": 0}]}):
        with pytest.raises(ValidationError):
            check_chunks([chunk | wrong])


@pytest.mark.parametrize("name", REQUESTS)
def test_every_request_is_written_as_openais(name: str) -> None:
    written = CHAT.write_request(CHAT.read_request(REQUESTS[name]), max_tokens=1)
    _known(written, "reasoning_content")
    check_request({"model": "x", **written})


def _known(written: dict[str, Any], *others: str) -> None:
    """No message has a field that the types do not know, but for ``others``."""
    fields = {"role", "content", "name", "tool_calls", "tool_call_id", "refusal", *others}
    for message in written["messages"]:
        assert set(message) <= fields


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_is_written_as_openais(name: str) -> None:
    written = CHAT.write_answer(CHAT.read_answer(ANSWERS[name]), making())
    _ANSWER.validate_python(written, strict=True)


@pytest.mark.parametrize("name", [n for n in STREAMS if n not in (*BROKEN, *UNTYPED)])
@pytest.mark.parametrize("include_usage", [True, False])
def test_every_stream_is_written_as_openais(name: str, include_usage: bool) -> None:
    made = making(include_usage=include_usage)
    payloads = payloads_of(written_stream(read_stream(STREAMS[name]), made))
    check_chunks(payloads)
    assert payloads.pop() == "[DONE]"
    assert len({(p["id"], p["created"], p["model"]) for p in payloads}) == 1
    roles = [choice["delta"].get("role") for p in payloads for choice in p["choices"]]
    assert roles[0] == "assistant"
    assert roles[1:].count(None) == len(roles) - 1
    assert all("usage" in p for p in payloads) == include_usage
    assert all(p["choices"] for p in payloads[:-1])
