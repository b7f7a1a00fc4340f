"""Agents of pydantic-ai on one model: pydantic_ai_agent.py CLASS MODEL [embeddings]."""

from __future__ import annotations

import sys
from typing import Any

import pydantic
from pydantic_ai import Agent, BinaryContent, Embedder, NativeOutput, capture_run_messages
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ThinkingPart
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from reporting import PNG, ROOT, SUMMARY, TOKEN, URL, report, weather

KIND, NAME, *MORE = sys.argv[1:]
openai = OpenAIProvider(base_url=URL, api_key=TOKEN)
openai.client.max_retries = 0


class Person(pydantic.BaseModel):
    """Somebody."""

    name: str
    age: int


def model(name: str) -> Any:
    """Make the model as the documentation sets it up."""
    match KIND:
        case "OpenAIChatModel":
            return OpenAIChatModel(name, provider=openai)
        case "OpenAIResponsesModel":
            return OpenAIResponsesModel(name, provider=openai)
    provider = AnthropicProvider(base_url=ROOT, api_key=TOKEN)
    provider.client.max_retries = 0
    return AnthropicModel(name, provider=provider)


AGENT = Agent(model(NAME))
PLAIN = Agent(model(f"plain-{NAME}"))
TOOLS = Agent(model(NAME))


@TOOLS.tool_plain
def get_weather(city: str) -> str:
    """Says what the weather is."""
    return weather(city)


async def generate() -> None:
    assert (await AGENT.run("hello there")).output == "You said: hello there"
    told = await Agent(model(NAME), instructions="Be kind.").run("who are you")
    assert told.output == "I was told: Be kind.", told.output


async def stream() -> None:
    async with AGENT.run_stream("something long") as result:
        deltas = [delta async for delta in result.stream_text(delta=True, debounce_by=None)]
    assert "".join(deltas) == "word " * 400
    assert len(deltas) > 100


async def usage() -> None:
    whole = await PLAIN.run("hello there")
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (17, 5), whole.usage
    async with PLAIN.run_stream("hello there") as live:
        await live.get_output()
    assert (live.usage.input_tokens, live.usage.output_tokens) == (17, 5), live.usage


async def tools() -> None:
    first = await TOOLS.run("the weather here and there")
    assert first.output == "They say: rain in Oslo and sun in Rome."
    history = first.all_messages()
    async with TOOLS.run_stream("the weather, politely", message_history=history) as second:
        said = await second.get_output()
    assert said in ("They say: rain in Oslo.", "Let me look."), said
    history = second.all_messages()
    third = await TOOLS.run("hello again", message_history=history)
    assert third.output == "You said: hello again"


async def objects() -> None:
    if KIND != "AnthropicModel":  # it knows of no schema for models that it has not heard of
        native = Agent(model(NAME), output_type=NativeOutput(Person))
        assert (await native.run("Ada, as data")).output == Person(name="Ada", age=36)
    called = Agent(model(NAME), output_type=Person)
    assert (await called.run("Ada, as a call")).output == Person(name="Ada", age=36)


async def thoughts() -> None:
    with capture_run_messages() as messages:
        first = await AGENT.run("think hard")
    assert first.output == "It is 42."
    [thought] = [part for part in messages[-1].parts if isinstance(part, ThinkingPart)]
    # a thought that is no summary is kept beside the content, as Responses have it
    raw = (thought.provider_details or {}).get("raw_content", [])
    assert SUMMARY in (thought.content, *raw), thought
    second = await AGENT.run("hello again", message_history=first.all_messages())
    assert second.output == "You said: hello again"


async def pictures() -> None:
    asked = ["what do you see", BinaryContent(PNG, media_type="image/png")]
    assert (await PLAIN.run(asked)).output == "I see 1 picture(s)."
    async with PLAIN.run_stream(asked) as result:
        assert (await result.get_output()).strip() == "I see 1 picture(s)."


async def refused(asked: str) -> ModelHTTPError:
    """Return the error that this is refused with."""
    try:
        await AGENT.run(asked)
    except ModelHTTPError as error:
        return error
    raise AssertionError(f"{asked}: no error")


async def errors() -> None:
    wrong = await refused("something wrong")
    assert wrong.status_code == 400, wrong
    assert "That is no request." in str(wrong.body), wrong
    assert (await refused("too many")).status_code == 429


async def embeddings() -> None:
    embedder = Embedder(OpenAIEmbeddingModel(NAME, provider=openai))
    one = (await embedder.embed_query("here")).embeddings
    many = (await embedder.embed_documents(["here", "there"])).embeddings
    assert len(many) == 2
    assert list(many[0]) == list(one[0]) != list(many[1])


USES = {
    "generate": generate,
    "stream": stream,
    "usage": usage,
    "tools over three turns": tools,
    "objects": objects,
    "goes on after thoughts": thoughts,
    "pictures": pictures,
    "errors": errors,
}
report(
    ["pydantic-ai-slim", "openai", "anthropic"],
    USES | ({"embeddings": embeddings} if MORE else {}),
)
