"""A program that uses LangChain on one model: run by the tests, in a Python of its own.

Arguments: the client (chat, responses or messages) and the model; URL and TOKEN say where.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import pydantic
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI

URL, TOKEN = os.environ["URL"], os.environ["TOKEN"]


class Person(pydantic.BaseModel):
    """Somebody."""

    name: str
    age: int


class get_weather(pydantic.BaseModel):
    """Says what the weather is."""

    city: str


def client(kind: str, model: str) -> Any:
    """Make the client as the documentation sets it up."""
    if kind == "messages":
        return ChatAnthropic(
            model=model, base_url=URL.removesuffix("/v1"), api_key=TOKEN, max_retries=0
        )
    return ChatOpenAI(
        model=model,
        base_url=URL,
        api_key=TOKEN,
        max_retries=0,
        use_responses_api=kind == "responses",
    )


def invoke(chat: Any) -> None:
    answer = chat.invoke("hello there")
    assert isinstance(answer, AIMessage)
    assert answer.text == "You said: hello there", answer
    assert answer.usage_metadata is not None


def stream(chat: Any) -> None:
    chunks: list[AIMessageChunk] = list(chat.stream("something long"))
    assert len([chunk for chunk in chunks if chunk.text]) > 100
    assert "".join(chunk.text for chunk in chunks) == "word " * 400


async def stream_async(chat: Any) -> None:
    assert "".join([c.text async for c in chat.astream("something long")]) == "word " * 400


def run_tools(chat: Any) -> None:
    with_tools = chat.bind_tools([get_weather])
    said: list[Any] = [HumanMessage("the weather here and there")]
    said.append(with_tools.invoke(said))
    calls = said[-1].tool_calls
    assert [call["args"] for call in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    for call, weather in zip(calls, ("rain in Oslo", "sun in Rome"), strict=True):
        said.append(ToolMessage(weather, tool_call_id=call["id"]))
    last = None
    for chunk in with_tools.stream(said):
        last = chunk if last is None else last + chunk
    assert last is not None
    assert last.text == "They say: rain in Oslo and sun in Rome.", last


def parse(chat: Any) -> None:
    parsed = chat.with_structured_output(Person, method="json_schema").invoke("Ada, as data")
    assert parsed == Person(name="Ada", age=36)


def main(kind: str, model: str) -> None:
    chat = client(kind, model)
    for use in (invoke, stream, run_tools, parse):
        use(chat)
    asyncio.run(stream_async(chat))
    print(json.dumps({"client": type(chat).__name__, "model": model}))


main(*sys.argv[1:])
