"""The official OpenAI SDK, chat completions, over a relay to upstreams of every API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pydantic
import pytest

from tests.sdk.things import CITIES, PNG, SCHEMA, weather

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

    from tests.sdk.conftest import Mesh

TOOLS: Any = [{"type": "function", "function": {"name": "get_weather", **SCHEMA}}]


class Person(pydantic.BaseModel):
    name: str
    age: int


@pytest.fixture
def client(mesh: Mesh) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=mesh.url, api_key=mesh.token, max_retries=0) as client:
        yield client


def says(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


def test_an_answer_in_one_piece(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=says("hello there"))
    [choice] = answer.choices
    assert (choice.message.content, choice.finish_reason) == ("You said: hello there", "stop")
    assert (choice.message.role, choice.message.tool_calls) == ("assistant", None)
    assert answer.object == "chat.completion"
    assert answer.id
    assert answer.created > 1_000_000_000


def test_an_answer_as_it_comes(client: openai.OpenAI, model: str) -> None:
    with client.chat.completions.create(
        model=model,
        messages=says("something long"),
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        chunks = list(stream)
    assert len({chunk.id for chunk in chunks}) == 1
    pieces = [c.delta.content or "" for chunk in chunks for c in chunk.choices]
    assert "".join(pieces) == "word " * 400
    assert len(pieces) > 100
    [finish] = [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason]
    assert finish == "stop"
    assert [chunk.usage is not None for chunk in chunks][-1]
    assert chunks[-1].choices == []


def test_the_stream_helper_gathers_the_answer(client: openai.OpenAI, model: str) -> None:
    with client.chat.completions.stream(
        model=model, messages=says("the weather here and there"), tools=TOOLS
    ) as stream:
        kinds = {event.type for event in stream}
        answer = stream.get_final_completion()
    assert "tool_calls.function.arguments.done" in kinds
    calls = answer.choices[0].message.tool_calls or []
    asked = [json.loads(call.function.arguments) for call in calls]
    assert asked == [{"city": "Oslo"}, {"city": "Rome"}]
    assert answer.choices[0].finish_reason == "tool_calls"


def test_an_answer_is_parsed_into_a_model(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.parse(
        model=model, messages=says("Ada, as data"), response_format=Person
    )
    assert answer.choices[0].message.parsed == Person(name="Ada", age=36)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("question", CITIES)
def test_a_tool_loop(client: openai.OpenAI, model: str, question: str, streams: bool) -> None:
    messages = says(question)
    first = ask(client, model, messages, streams)
    message = first.choices[0].message
    calls = message.tool_calls or []
    assert first.choices[0].finish_reason == "tool_calls"
    messages.append(message.model_dump(exclude_none=True))  # type: ignore[arg-type]
    for call in calls:
        assert call.type == "function"
        told = weather(call.function.arguments)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": told})
    last = ask(client, model, messages, streams)
    assert last.choices[0].message.content == CITIES[question]
    assert last.choices[0].finish_reason == "stop"


def ask(
    client: openai.OpenAI, model: str, messages: list[ChatCompletionMessageParam], streams: bool
) -> ChatCompletion:
    if not streams:
        return client.chat.completions.create(model=model, messages=messages, tools=TOOLS)
    with client.chat.completions.stream(model=model, messages=messages, tools=TOOLS) as stream:
        return stream.get_final_completion()


@pytest.mark.parametrize("streams", [False, True])
def test_reasoning_comes_along(client: openai.OpenAI, model: str, streams: bool) -> None:
    asked: Any = {"model": model, "messages": says("think hard"), "reasoning_effort": "high"}
    thoughts, words = "", ""
    if streams:
        with client.chat.completions.create(**asked, stream=True) as stream:
            for chunk in stream:
                for choice in chunk.choices:
                    extra = choice.delta.model_extra or {}
                    thoughts += extra.get("reasoning_content") or ""
                    words += choice.delta.content or ""
    else:
        message = client.chat.completions.create(**asked).choices[0].message
        thoughts = (message.model_extra or {})["reasoning_content"]
        words = message.content or ""
    assert (thoughts, words) == ("Six sevens, so forty-two.", "It is 42.")


def test_a_picture_is_seen(client: openai.OpenAI, plain_model: str) -> None:
    parts: Any = [
        {"type": "text", "text": "what do you see?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    answer = client.chat.completions.create(
        model=plain_model, messages=[{"role": "user", "content": parts}]
    )
    assert answer.choices[0].message.content == "I see 1 picture(s)."


@pytest.mark.parametrize("streams", [False, True])
def test_what_it_took_comes_along(client: openai.OpenAI, plain_model: str, streams: bool) -> None:
    asked: Any = {"model": plain_model, "messages": says("hello")}
    if streams:
        asked["stream_options"] = {"include_usage": True}
        with client.chat.completions.create(**asked, stream=True) as stream:
            usage = list(stream)[-1].usage
    else:
        usage = client.chat.completions.create(**asked).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (17, 5, 22)
    if plain_model != "plain-completions":
        assert usage.prompt_tokens_details is not None
        assert usage.prompt_tokens_details.cached_tokens == 3


def test_what_the_model_is_told_arrives(client: openai.OpenAI, model: str) -> None:
    told: list[ChatCompletionMessageParam] = [{"role": "system", "content": "Be kind."}]
    answer = client.chat.completions.create(model=model, messages=told + says("who are you?"))
    assert answer.choices[0].message.content == "I was told: Be kind."


def test_an_answer_that_was_cut_short_says_so(client: openai.OpenAI, model: str) -> None:
    answer = ask(client, model, says("be cut short"), streams=False)
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.content == "This is where it st"
    with pytest.raises(openai.LengthFinishReasonError):  # what the helper makes of it
        ask(client, model, says("be cut short"), streams=True)


@pytest.mark.parametrize("streams", [False, True])
def test_errors_are_of_the_right_class(client: openai.OpenAI, model: str, streams: bool) -> None:
    def ask(text: str, **more: Any) -> None:
        asked: Any = {"model": model, "messages": says(text), "stream": streams, **more}
        client.chat.completions.create(**asked)

    with pytest.raises(openai.BadRequestError, match="That is no request"):
        ask("something wrong")
    with pytest.raises(openai.RateLimitError, match="Slow down"):
        ask("too many")
    with pytest.raises(openai.NotFoundError, match="nobody"):
        ask("hello", model="nobody")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").chat.completions.create(
            model=model, messages=says("hello")
        )


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_asynchronous_client(mesh: Mesh, model: str) -> None:
    async with openai.AsyncOpenAI(base_url=mesh.url, api_key=mesh.token, max_retries=0) as client:
        answer = await client.chat.completions.create(model=model, messages=says("hello"))
        assert answer.choices[0].message.content == "You said: hello"
        async with client.chat.completions.stream(model=model, messages=says("hello")) as stream:
            deltas = [e.delta async for e in stream if e.type == "content.delta"]
    assert "".join(deltas) == "You said: hello"
