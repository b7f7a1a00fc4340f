"""The corpus of the Responses API, and what is written from it, by the official SDK's own types."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import ResponseInputItemParam, ToolParam
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
    ToolChoice,
)
from pydantic import ValidationError

from clawmatrix_model_proxy.convert.responses.codec import CODEC
from clawmatrix_model_proxy.neutral.answer import Completed, NeutralAnswer
from clawmatrix_model_proxy.neutral.codec import BadAnswer, Unsupported
from clawmatrix_model_proxy.neutral.settings import write_settings
from tests.plugins.model_proxy.convert.responses.responses_corpus import ANSWERS, REQUESTS, STREAMS
from tests.plugins.model_proxy.convert.responses.responses_sdk import (
    RESPONSE,
    STREAM_EVENT,
    accumulated,
    gathered,
    making,
    payloads,
    read_stream,
    said,
    stream_of,
)
from tests.plugins.model_proxy.convert.sdk_types import SdkType

_REQUEST = SdkType(ResponseCreateParamsNonStreaming, ResponseCreateParamsStreaming)
_ITEM = SdkType(ResponseInputItemParam)
_TOOL = SdkType(ToolParam)
_CHOICE = SdkType(ToolChoice)
NO_ANSWER = ("failed", "unknown_item")
BROKEN = (
    "cut",
    "error_midway",
    "failed",
    "lost_delta",
    "lost_end_of_a_call",
    "odd_bare_error",
    "odd_cancelled",
    "web_search",
)
WHOLE = [name for name in STREAMS if name not in BROKEN]


def official(corpus: dict[str, Any]) -> list[str]:
    return [name for name in corpus if not name.startswith("odd_")]


def check_request(body: dict[str, Any]) -> None:
    # The types have iterables, which are only looked into when somebody asks.
    _REQUEST.validate_python(body)
    if not isinstance(body["input"], str):
        for item in body["input"]:
            _ITEM.validate_python(item)
    for tool in body.get("tools", ()):
        _TOOL.validate_python(tool)
    if "tool_choice" in body:
        _CHOICE.validate_python(body["tool_choice"])


@pytest.mark.parametrize("name", official(REQUESTS))
def test_the_requests_of_the_corpus_are_openais(name: str) -> None:
    check_request(REQUESTS[name])


@pytest.mark.parametrize("name", official(ANSWERS))
def test_the_answers_of_the_corpus_are_openais(name: str) -> None:
    RESPONSE.validate_python(ANSWERS[name], strict=True)


@pytest.mark.parametrize("name", official(STREAMS))
def test_the_streams_of_the_corpus_are_openais(name: str) -> None:
    for payload in STREAMS[name]:
        STREAM_EVENT.validate_python(payload, strict=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"input": [{"role": "nobody", "content": "x"}]},
        {"input": [{"type": "function_call_output", "output": 7}]},
        {"input": "x", "tools": [{"type": "function", "name": "f"}]},
        {"input": "x", "tool_choice": "perhaps"},
    ],
)
def test_a_wrong_request_is_noticed(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        check_request(wrong)


@pytest.mark.parametrize("field", ["id", "output", "tools", "tool_choice", "parallel_tool_calls"])
def test_an_answer_that_lacks_something_is_noticed(field: str) -> None:
    body = dict(ANSWERS["text"])
    del body[field]
    with pytest.raises(ValidationError):
        RESPONSE.validate_python(body, strict=True)


@pytest.mark.parametrize("name", [name for name in REQUESTS if name != "state"])
def test_a_request_is_written_as_openai_takes_it_and_read_back(name: str) -> None:
    request = CODEC.read_request(REQUESTS[name])
    body = CODEC.write_request(request, max_tokens=1)
    if not name.startswith("odd_"):
        check_request(body)
    assert CODEC.read_request(body) == request


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("background", True),
        ("conversation", "conv_1"),
        ("prompt", {"id": "pmpt_1"}),
        ("previous_response_id", "resp_1"),
    ],
)
def test_what_only_the_upstream_that_stored_it_knows_is_refused_by_name(
    name: str, value: Any
) -> None:
    request = CODEC.read_request({"input": "x", name: value})
    for api in ("chat", "messages"):
        with pytest.raises(Unsupported) as caught:
            write_settings(api, request, {})
        assert caught.value.param == name


@pytest.mark.parametrize("name", [name for name in ANSWERS if name not in NO_ANSWER])
def test_an_answer_is_written_as_it_was_read(name: str) -> None:
    read = CODEC.read_answer(ANSWERS[name])
    body = CODEC.write_answer(read, making())
    RESPONSE.validate_python(body, strict=True)
    assert _without_ids(CODEC.read_answer(body)) == _without_ids(read)


@pytest.mark.parametrize("name", NO_ANSWER)
def test_an_answer_that_is_none_is_not_read(name: str) -> None:
    with pytest.raises(BadAnswer):
        CODEC.read_answer(ANSWERS[name])


@pytest.mark.parametrize("name", sorted(set(WHOLE) & set(ANSWERS)))
def test_a_stream_of_the_corpus_amounts_to_its_whole_answer(name: str) -> None:
    assert gathered(read_stream(STREAMS[name])) == CODEC.read_answer(ANSWERS[name])


@pytest.mark.parametrize("name", WHOLE)
def test_a_stream_is_written_as_it_was_read(name: str) -> None:
    events = read_stream(STREAMS[name])
    written = stream_of(events)
    again = read_stream(payloads(written))
    assert _without_ids(gathered(again)) == _without_ids(gathered(events))
    accumulated(written)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_stream_has_no_end(name: str) -> None:
    try:
        events = read_stream(STREAMS[name])
    except BadAnswer:
        return
    assert not any(isinstance(event, Completed) for event in events)


@pytest.mark.parametrize("name", WHOLE)
def test_a_stream_that_was_cut_has_no_end(name: str) -> None:
    for count in range(len(STREAMS[name])):
        events = read_stream(STREAMS[name][:count])
        assert not any(isinstance(event, Completed) for event in events)


@pytest.mark.parametrize("name", official(dict.fromkeys(WHOLE)))
def test_a_stream_that_lost_an_event_is_whole_or_none(name: str) -> None:
    whole = gathered(read_stream(STREAMS[name]))
    for lost in range(len(STREAMS[name]) - 1):
        stream = [payload for at, payload in enumerate(STREAMS[name]) if at != lost]
        try:
            found = gathered(read_stream(stream))
        except BadAnswer:
            continue
        assert _said(found) == _said(whole)  # a sealed thought may come late


def _said(answer: NeutralAnswer) -> list[tuple[str, str, str]]:
    return sorted((block.kind, block.text, block.name) for block in answer.blocks)


def _without_ids(answer: NeutralAnswer) -> tuple[Any, ...]:
    blocks = [
        (block.kind, said(block), block.name, block.group, block.logprobs, block.sealed)
        for block in answer.blocks
    ]
    usage = answer.usage
    counts = None if usage is None else (usage.input, usage.output, usage.more)
    return (answer.model or "model", blocks, answer.reason, counts)


def test_unknown_settings_of_the_corpus_would_be_refused() -> None:
    for body in REQUESTS.values():
        with pytest.raises(Unsupported):
            CODEC.read_request({**body, "x_unknown": True})
