"""What is written for clients, through the official SDK: its parsers and typed accumulators."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from openai import (
    APIError,
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    OpenAI,
    pydantic_function_tool,
)
from pydantic import BaseModel

from clawmatrix_model_proxy.neutral.answer import Block, NeutralAnswer, Usage, events_of
from clawmatrix_model_proxy.neutral.request import Text, ToolCall
from tests.plugins.model_proxy.convert.chat.chat_corpus import (
    ANSWERS,
    CHAT,
    STREAMS,
    gathered,
    making,
    read_stream,
    written_stream,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

BROKEN = ("error_midway", "odd_openrouter_error", "cut")
UNTYPED = ("custom_call",)
"""Streams with calls of custom tools, on which the SDK's accumulator itself raises."""
USER: Any = [{"role": "user", "content": "Hi"}]


class Person(BaseModel):
    name: str
    age: int


def client(body: bytes, kind: str) -> OpenAI:
    """Return the SDK's client, whose every request has one answer."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body, headers={"content-type": kind})

    transport = httpx2.MockTransport(answer)
    http = httpx2.Client(transport=transport)
    return OpenAI(base_url="http://127.0.0.1/v1", api_key="x", http_client=http, max_retries=0)


def whole(answer: NeutralAnswer) -> OpenAI:
    written = CHAT.write_answer(answer, making())
    return client(json.dumps(written).encode(), "application/json")


def streamed(body: bytes) -> Iterator[Any]:
    with (
        client(body, "text/event-stream") as sdk,
        sdk.chat.completions.stream(
            model="m", messages=USER, stream_options={"include_usage": True}
        ) as stream,
    ):
        yield from stream
        yield stream.get_final_completion()


def final(answer: NeutralAnswer) -> Any:
    *_, completion = streamed(written_stream(events_of(answer), making()))
    return completion


ENDED_EARLY = (LengthFinishReasonError, ContentFilterFinishReasonError)


@pytest.mark.parametrize("name", [n for n in STREAMS if n not in (*BROKEN, *UNTYPED)])
def test_the_accumulator_of_the_sdk_gathers_what_we_gather(name: str) -> None:
    events = read_stream(STREAMS[name])
    ours = CHAT.write_answer(gathered(events), making())
    try:
        *_, completion = streamed(written_stream(events, making()))
    except ENDED_EARLY as early:
        completion = early.completion if isinstance(early, LengthFinishReasonError) else None
    if completion is None:
        assert ours["choices"][0]["finish_reason"] == "content_filter"
        return
    theirs = completion.model_dump(mode="json", exclude_none=True, warnings=False)
    [choice], [told] = theirs["choices"], ours["choices"]
    message, wanted = choice["message"], _without_nulls(told["message"])
    message.pop("parsed", None)
    for call in message.get("tool_calls", ()):
        call.pop("index", None)
        call.get("function", {}).pop("parsed_arguments", None)
    assert message == wanted
    assert choice["finish_reason"] == told["finish_reason"]
    assert choice.get("logprobs") == (told["logprobs"] and _without_nulls(told["logprobs"]))
    assert theirs.get("usage") == ours.get("usage")
    assert [theirs[name] for name in ("id", "created", "model")] == [
        ours[name] for name in ("id", "created", "model")
    ]


def _without_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_whole_answer_is_the_one_the_sdk_has(name: str) -> None:
    answer = CHAT.read_answer(ANSWERS[name])
    with whole(answer) as sdk:
        completion = sdk.chat.completions.create(model="m", messages=USER)
    told = CHAT.write_answer(answer, making())
    assert completion.to_dict(mode="json", exclude_unset=True) == told


def test_a_structured_answer_is_parsed_whole_and_streamed() -> None:
    answer = CHAT.read_answer(ANSWERS["structured"])
    with whole(answer) as sdk:
        parsed = sdk.chat.completions.parse(model="m", messages=USER, response_format=Person)
    assert parsed.choices[0].message.parsed == Person(name="Ada", age=36)
    body = written_stream(events_of(answer), making())
    with (
        client(body, "text/event-stream") as sdk,
        sdk.chat.completions.stream(model="m", messages=USER, response_format=Person) as stream,
    ):
        completion = stream.get_final_completion()
    assert completion.choices[0].message.parsed == Person(name="Ada", age=36)


class Weather(BaseModel):
    """Current weather of a city."""

    city: str


def test_what_the_sdk_parsed_may_be_repeated_in_the_next_request() -> None:
    tool = pydantic_function_tool(Weather, name="get_weather")
    asks = NeutralAnswer(
        "a", "m", 1, (Block("tool", '{"city":"Rome"}', "call_1", "get_weather"),), "tool_calls"
    )
    says = NeutralAnswer("a", "m", 1, (Block("text", '{"name":"Ada","age":36}'),), "stop")
    told: list[Any] = list(USER)
    for answer in (asks, says):
        with whole(answer) as sdk:
            completion = sdk.chat.completions.parse(
                model="m", messages=USER, tools=[tool], response_format=Person
            )
        told.append(completion.choices[0].message.model_dump(warnings=False))
    assert told[1]["tool_calls"][0]["function"]["parsed_arguments"] is not None
    assert told[2]["parsed"] is not None
    _, asked, said = CHAT.read_request({"model": "m", "messages": told}).turns
    assert asked.parts == (ToolCall("call_1", "get_weather", '{"city":"Rome"}'),)
    assert said.parts == (Text('{"name":"Ada","age":36}'),)


def test_an_answer_of_another_api_is_accumulated() -> None:
    blocks = (
        Block("reasoning", "Hm.", sealed="signature", sealed_by="messages"),
        Block("redacted", sealed="secret", sealed_by="messages"),
        Block("text", "Let me "),
        Block("text", "look."),
        Block("tool", "", "toolu_1", "get_time"),
        Block("tool", '{"city":"Paris"}', "toolu_2", "get_weather"),
    )
    usage = Usage(30, 7, cached=10, cache_written=5)
    completion = final(NeutralAnswer("msg_1", "claude", 0, blocks, "tool_calls", usage))
    [choice] = completion.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "Let me look."
    assert choice.message.reasoning_content == "Hm."
    assert [(call.id, call.function.arguments) for call in choice.message.tool_calls] == [
        ("toolu_1", "{}"),
        ("toolu_2", '{"city":"Paris"}'),
    ]
    assert completion.usage.prompt_tokens_details.cached_tokens == 10
    assert (completion.id, completion.created) == ("msg_1", 1_700_000_000)


@pytest.mark.parametrize(
    "name", ["text", "one_call", "parallel_calls", "interleaved_calls", "logprobs"]
)
def test_the_sdk_gives_the_same_events_as_for_openais_stream(name: str) -> None:
    theirs = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in STREAMS[name])
    theirs = theirs.replace(b'"[DONE]"', b"[DONE]")
    assert told(written(name)) == told(theirs)
    assert len(told(theirs)) > 2


def told(body: bytes) -> list[str]:
    return [event.type for event in list(streamed(body))[:-1] if event.type != "chunk"]


def written(name: str) -> bytes:
    return written_stream(read_stream(STREAMS[name]), making())


def test_an_error_in_the_middle_is_the_sdks_error() -> None:
    body = written("cut") + b'data: {"error":{"message":"broke","type":"upstream_error"}}\n\n'
    with pytest.raises(APIError, match="broke"):
        list(streamed(body))
