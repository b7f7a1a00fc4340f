"""The official OpenAI SDK, Responses, over a relay to upstreams of every API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pydantic
import pytest

from tests.sdk.things import CITIES, PNG, SCHEMA, weather

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai.types.responses import Response

    from tests.sdk.conftest import Mesh

TOOLS: Any = [{"type": "function", "name": "get_weather", "strict": False, **SCHEMA}]


class Person(pydantic.BaseModel):
    name: str
    age: int


@pytest.fixture
def client(mesh: Mesh) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=mesh.url, api_key=mesh.token, max_retries=0) as client:
        yield client


def ask(client: openai.OpenAI, streams: bool, **asked: Any) -> Response:
    if not streams:
        response: Response = client.responses.create(**asked)
        return response
    with client.responses.stream(**asked) as stream:
        return stream.get_final_response()


def test_an_answer_in_one_piece(client: openai.OpenAI, model: str) -> None:
    answer = client.responses.create(model=model, input="hello there")
    assert answer.output_text == "You said: hello there"
    assert (answer.object, answer.status, answer.error) == ("response", "completed", None)
    [message] = answer.output
    assert message.type == "message"
    assert (message.role, message.status) == ("assistant", "completed")


def test_an_answer_as_it_comes(client: openai.OpenAI, model: str) -> None:
    with client.responses.create(model=model, input="something long", stream=True) as stream:
        events = list(stream)
    kinds = [event.type for event in events]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    order = [
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
    ]
    assert [kind for kind in dict.fromkeys(kinds) if kind in order] == order
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 100
    last = events[-1]
    assert last.type == "response.completed"
    assert "".join(deltas) == last.response.output_text == "word " * 400


def test_the_stream_helper_gathers_the_answer(client: openai.OpenAI, model: str) -> None:
    with client.responses.stream(
        model=model, input="the weather here and there", tools=TOOLS
    ) as stream:
        kinds = {event.type for event in stream}
        answer = stream.get_final_response()
    assert "response.function_call_arguments.done" in kinds
    calls = [item for item in answer.output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert [call.call_id for call in calls] == ["call_here", "call_there"]


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_is_parsed_into_a_model(client: openai.OpenAI, model: str, streams: bool) -> None:
    asked: Any = {"model": model, "input": "Ada, as data", "text_format": Person}
    if streams:
        with client.responses.stream(**asked) as stream:
            answer = stream.get_final_response()
    else:
        answer = client.responses.parse(**asked)
    assert answer.output_parsed == Person(name="Ada", age=36)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("question", CITIES)
def test_a_tool_loop(client: openai.OpenAI, model: str, question: str, streams: bool) -> None:
    told: list[Any] = [{"role": "user", "content": question}]
    first = ask(client, streams, model=model, input=told, tools=TOOLS)
    told += [item.model_dump(exclude_none=True) for item in first.output]
    for item in first.output:
        if item.type == "function_call":
            result = weather(item.arguments)
            told.append({"type": "function_call_output", "call_id": item.call_id, "output": result})
    last = ask(client, streams, model=model, input=told, tools=TOOLS)
    assert last.output_text == CITIES[question]


@pytest.mark.parametrize("streams", [False, True])
def test_reasoning_comes_along_and_goes_back(
    client: openai.OpenAI, model: str, streams: bool
) -> None:
    asked: Any = {"model": model, "reasoning": {"effort": "high", "summary": "auto"}}
    first = ask(client, streams, input="think hard", **asked)
    [thought] = [item for item in first.output if item.type == "reasoning"]
    said = [part.text for part in thought.summary] + [p.text for p in thought.content or []]
    assert said == ["Six sevens, so forty-two."]
    assert first.output_text == "It is 42."
    back: list[Any] = [
        {"role": "user", "content": "think hard"},
        *(item.model_dump(exclude_none=True) for item in first.output),
        {"role": "user", "content": "hello again"},
    ]
    last = ask(client, streams, input=back, **asked)
    assert last.output_text == "You said: hello again"


def test_a_picture_is_seen(client: openai.OpenAI, plain_model: str) -> None:
    parts: Any = [
        {"type": "input_text", "text": "what do you see?"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
    ]
    answer = client.responses.create(model=plain_model, input=[{"role": "user", "content": parts}])
    assert answer.output_text == "I see 1 picture(s)."


def test_what_the_model_is_told_arrives(client: openai.OpenAI, model: str) -> None:
    answer = client.responses.create(model=model, instructions="Be kind.", input="who are you?")
    assert answer.output_text == "I was told: Be kind."


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_that_was_cut_short_says_so(
    client: openai.OpenAI, plain_model: str, streams: bool
) -> None:
    if streams:  # not by the helper, which takes no answer for its last but a completed one
        with client.responses.create(
            model=plain_model, input="be cut short", stream=True
        ) as stream:
            last = list(stream)[-1]
        assert last.type == "response.incomplete"
        answer = last.response
    else:
        answer = client.responses.create(model=plain_model, input="be cut short")
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("streams", [False, True])
def test_what_it_took_comes_along(client: openai.OpenAI, plain_model: str, streams: bool) -> None:
    usage = ask(client, streams, model=plain_model, input="hello").usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (17, 5, 22)
    cached = 0 if plain_model == "plain-completions" else 3
    assert usage.input_tokens_details.cached_tokens == cached


@pytest.mark.parametrize("streams", [False, True])
def test_errors_are_of_the_right_class(client: openai.OpenAI, model: str, streams: bool) -> None:
    def ask(text: str, **more: Any) -> None:
        asked: Any = {"model": model, "input": text, "stream": streams, **more}
        client.responses.create(**asked)

    with pytest.raises(openai.BadRequestError, match="That is no request"):
        ask("something wrong")
    with pytest.raises(openai.RateLimitError, match="Slow down"):
        ask("too many")
    with pytest.raises(openai.NotFoundError, match="nobody"):
        ask("hello", model="nobody")
    with pytest.raises(openai.BadRequestError, match="resp_nobody"):
        ask("hello", previous_response_id="resp_nobody")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").responses.create(model=model, input="hello")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_asynchronous_client(mesh: Mesh, model: str) -> None:
    async with openai.AsyncOpenAI(base_url=mesh.url, api_key=mesh.token, max_retries=0) as client:
        answer = await client.responses.create(model=model, input="hello")
        assert answer.output_text == "You said: hello"
        async with client.responses.stream(model=model, input="hello") as stream:
            deltas = [e.delta async for e in stream if e.type == "response.output_text.delta"]
    assert "".join(deltas) == "You said: hello"
