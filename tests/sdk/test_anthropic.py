"""The official Anthropic SDK over a relay to upstreams of every API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anthropic
import pydantic
import pytest

from tests.sdk.things import CITIES, PNG, SCHEMA, weather

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anthropic.types import Message

    from tests.sdk.conftest import Mesh

TOOLS: Any = [
    {
        "name": "get_weather",
        "description": SCHEMA["description"],
        "input_schema": SCHEMA["parameters"],
    }
]


class Person(pydantic.BaseModel):
    name: str
    age: int


def base_url(mesh: Mesh) -> str:
    return mesh.url.removesuffix("/v1")


@pytest.fixture
def client(mesh: Mesh) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=base_url(mesh), api_key=mesh.token, max_retries=0) as client:
        yield client


def says(text: Any) -> list[Any]:
    return [{"role": "user", "content": text}]


def ask(client: anthropic.Anthropic, streams: bool, **asked: Any) -> Message:
    if not streams:
        message: Message = client.messages.create(max_tokens=1000, **asked)
        return message
    with client.messages.stream(max_tokens=1000, **asked) as stream:
        return stream.get_final_message()


def words(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def test_an_answer_in_one_piece(client: anthropic.Anthropic, model: str) -> None:
    answer = ask(client, False, model=model, messages=says("hello there"))
    assert words(answer) == "You said: hello there"
    assert (answer.type, answer.role, answer.stop_reason) == ("message", "assistant", "end_turn")
    assert answer.usage.output_tokens >= 0


def test_an_answer_as_it_comes(client: anthropic.Anthropic, model: str) -> None:
    with client.messages.stream(
        model=model, max_tokens=1000, messages=says("something long")
    ) as stream:
        pieces = list(stream.text_stream)
        answer = stream.get_final_message()
    assert "".join(pieces) == words(answer) == "word " * 400
    assert len(pieces) > 100
    assert answer.stop_reason == "end_turn"


def test_the_raw_events_are_the_protocols(client: anthropic.Anthropic, model: str) -> None:
    with client.messages.create(
        model=model, max_tokens=1000, messages=says("hello"), stream=True
    ) as stream:
        kinds = [event.type for event in stream]
    assert [kind for kind in dict.fromkeys(kinds) if str(kind) != "ping"] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("question", CITIES)
def test_a_tool_loop(client: anthropic.Anthropic, model: str, question: str, streams: bool) -> None:
    messages = says(question)
    first = ask(client, streams, model=model, messages=messages, tools=TOOLS)
    assert first.stop_reason == "tool_use"
    messages.append(
        {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in first.content]}
    )
    results = [
        {
            "type": "tool_result",
            "tool_use_id": block.id,
            "content": weather(json.dumps(block.input)),
        }
        for block in first.content
        if block.type == "tool_use"
    ]
    messages.append({"role": "user", "content": results})
    last = ask(client, streams, model=model, messages=messages, tools=TOOLS)
    assert words(last) == CITIES[question]
    assert last.stop_reason == "end_turn"


@pytest.mark.parametrize("streams", [False, True])
def test_thinking_comes_along_and_goes_back(
    client: anthropic.Anthropic, model: str, streams: bool
) -> None:
    asked: Any = {"model": model, "thinking": {"type": "adaptive"}}
    first = ask(client, streams, messages=says("think hard"), **asked)
    [thought] = [block for block in first.content if block.type == "thinking"]
    assert thought.thinking == "Six sevens, so forty-two."
    assert words(first) == "It is 42."
    content = [block.model_dump(exclude_none=True) for block in first.content]
    back = [*says("think hard"), {"role": "assistant", "content": content}, *says("hello again")]
    last = ask(client, streams, messages=back, **asked)
    assert words(last) == "You said: hello again"


def test_an_answer_is_parsed_into_a_model(client: anthropic.Anthropic, model: str) -> None:
    answer = client.messages.parse(
        model=model, max_tokens=1000, messages=says("Ada, as data"), output_format=Person
    )
    assert answer.parsed_output == Person(name="Ada", age=36)


def test_a_picture_is_seen(client: anthropic.Anthropic, plain_model: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    parts = [
        {"type": "text", "text": "what do you see?"},
        {"type": "image", "source": source},
    ]
    answer = ask(client, False, model=plain_model, messages=says(parts))
    assert words(answer) == "I see 1 picture(s)."


@pytest.mark.parametrize("streams", [False, True])
def test_what_it_took_comes_along(
    client: anthropic.Anthropic, plain_model: str, streams: bool
) -> None:
    usage = ask(client, streams, model=plain_model, messages=says("hello")).usage
    cached = usage.cache_read_input_tokens or 0
    assert (usage.input_tokens + cached, usage.output_tokens) == (17, 5)
    assert cached == (0 if plain_model == "plain-completions" else 3)


def test_tokens_are_counted(client: anthropic.Anthropic, plain_model: str) -> None:
    asked = {"model": plain_model, "messages": says("hello"), "tools": TOOLS}
    assert client.messages.count_tokens(**asked).input_tokens == 17


def test_what_the_model_is_told_arrives(client: anthropic.Anthropic, model: str) -> None:
    answer = ask(client, False, model=model, system="Be kind.", messages=says("who are you?"))
    assert words(answer) == "I was told: Be kind."


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_that_was_cut_short_says_so(
    client: anthropic.Anthropic, model: str, streams: bool
) -> None:
    answer = ask(client, streams, model=model, messages=says("be cut short"))
    assert (words(answer), answer.stop_reason) == ("This is where it st", "max_tokens")


@pytest.mark.parametrize("streams", [False, True])
def test_errors_are_of_the_right_class(
    client: anthropic.Anthropic, model: str, streams: bool
) -> None:
    with pytest.raises(anthropic.BadRequestError, match="That is no request"):
        ask(client, streams, model=model, messages=says("something wrong"))
    with pytest.raises(anthropic.RateLimitError, match="Slow down"):
        ask(client, streams, model=model, messages=says("too many"))
    with pytest.raises(anthropic.NotFoundError, match="nobody"):
        ask(client, streams, model="nobody", messages=says("hello"))
    wrong = client.with_options(api_key="wrong")
    with pytest.raises(anthropic.AuthenticationError):
        ask(wrong, streams, model=model, messages=says("hello"))


def test_the_models_are_listed_in_anthropics_shape(client: anthropic.Anthropic) -> None:
    listed = [entry.id for entry in client.models.list()]
    assert {"completions", "responses", "messages", "office/messages"} <= {*listed}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_asynchronous_client(mesh: Mesh, model: str) -> None:
    async with anthropic.AsyncAnthropic(
        base_url=base_url(mesh), api_key=mesh.token, max_retries=0
    ) as client:
        asked: Any = {"model": model, "max_tokens": 100, "messages": says("hello")}
        answer = await client.messages.create(**asked)
        assert words(answer) == "You said: hello"
        async with client.messages.stream(**asked) as stream:
            pieces = [piece async for piece in stream.text_stream]
    assert "".join(pieces) == "You said: hello"
