"""The Agents SDK of OpenAI on one model: openai_agents.py CLASS MODEL."""

from __future__ import annotations

import base64
import sys
from typing import Any

import openai
import pydantic
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    handoff,
    set_tracing_disabled,
)
from agents.items import ReasoningItem
from reporting import PNG, SUMMARY, TOKEN, URL, report, weather

KIND, NAME = sys.argv[1:]
CLIENT = openai.AsyncOpenAI(base_url=URL, api_key=TOKEN, max_retries=0)
set_tracing_disabled(True)  # traces go to OpenAI


class Person(pydantic.BaseModel):
    """Somebody."""

    name: str
    age: int


@function_tool
def get_weather(city: str) -> str:
    """Says what the weather is."""
    return weather(city)


def agent(name: str = NAME, **more: Any) -> Agent[None]:
    """Make an agent as the documentation sets it up."""
    kinds = {
        "OpenAIChatCompletionsModel": OpenAIChatCompletionsModel,
        "OpenAIResponsesModel": OpenAIResponsesModel,
    }
    return Agent(name="Helper", model=kinds[KIND](model=name, openai_client=CLIENT), **more)


async def streamed(of: Agent[None], asked: Any) -> tuple[Any, list[str]]:
    """Run an agent by a stream; return its result and the deltas of its words."""
    result = Runner.run_streamed(of, asked)
    deltas = [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    return result, deltas


async def generate() -> None:
    assert (await Runner.run(agent(), "hello there")).final_output == "You said: hello there"
    told = await Runner.run(agent(instructions="Be kind."), "who are you")
    assert told.final_output == "I was told: Be kind.", told.final_output


async def stream() -> None:
    result, deltas = await streamed(agent(), "something long")
    assert result.final_output == "".join(deltas) == "word " * 400
    assert len(deltas) > 100


async def usage() -> None:
    plain = agent(f"plain-{NAME}")
    whole = await Runner.run(plain, "hello there")
    live, _ = await streamed(plain, "hello there")
    for result in (whole, live):
        usage = result.context_wrapper.usage
        if KIND == "OpenAIResponsesModel" or result is whole:
            assert (usage.input_tokens, usage.output_tokens) == (17, 5), usage


async def tools() -> None:
    helper = agent(tools=[get_weather])
    first = await Runner.run(helper, "the weather here and there")
    assert first.final_output == "They say: rain in Oslo and sun in Rome."
    asked = [*first.to_input_list(), {"role": "user", "content": "the weather, politely"}]
    second, deltas = await streamed(helper, asked)
    assert second.final_output == "They say: rain in Oslo."
    assert "".join(deltas).endswith("They say: rain in Oslo.")
    asked = [*second.to_input_list(), {"role": "user", "content": "hello again"}]
    third = await Runner.run(helper, asked)
    assert third.final_output == "You said: hello again"


async def handoffs() -> None:
    colleague = agent(tools=[get_weather]).clone(name="oracle")
    first = agent(handoffs=[handoff(colleague, tool_name_override="transfer_to_oracle")])
    done = await Runner.run(first, "ask the oracle")
    assert done.last_agent.name == "oracle"
    assert done.final_output.startswith("It says: "), done.final_output


async def objects() -> None:
    done = await Runner.run(agent(output_type=Person), "Ada, as data")
    assert done.final_output == Person(name="Ada", age=36)
    live, _ = await streamed(agent(output_type=Person), "Ada, as data")
    assert live.final_output == Person(name="Ada", age=36)


async def thoughts() -> None:
    first, _ = await streamed(agent(), "think hard")
    assert first.final_output == "It is 42."
    [thought] = [item.raw_item for item in first.new_items if isinstance(item, ReasoningItem)]
    said = [part.text for part in (*thought.summary, *(thought.content or ()))]
    assert SUMMARY in said, thought
    asked = [*first.to_input_list(), {"role": "user", "content": "hello again"}]
    assert (await Runner.run(agent(), asked)).final_output == "You said: hello again"


async def pictures() -> None:
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    parts = [
        {"type": "input_text", "text": "what do you see"},
        {"type": "input_image", "image_url": url, "detail": "auto"},
    ]
    done = await Runner.run(agent(f"plain-{NAME}"), [{"role": "user", "content": parts}])
    assert done.final_output == "I see 1 picture(s)."


async def errors() -> None:
    for asked, kind in (
        ("something wrong", openai.BadRequestError),
        ("too many", openai.RateLimitError),
    ):
        for run in (Runner.run, streamed):
            try:
                await run(agent(), asked)
            except kind:
                continue
            raise AssertionError(f"{asked}: no error")


async def by_id() -> None:
    first = await Runner.run(agent(), "hello there")
    asked = "how many questions did I ask"
    again = {"previous_response_id": first.last_response_id}
    assert (await Runner.run(agent(), asked, **again)).final_output == "You asked 2."
    live = Runner.run_streamed(agent(), asked, **again)
    async for _ in live.stream_events():
        pass
    assert live.final_output == "You asked 2."


# The model server for Responses keeps none; nodes remember what they converted.
KEPT = KIND == "OpenAIResponsesModel" and NAME != "responses"
report(
    ["openai-agents", "openai"],
    {
        "generate": generate,
        "stream": stream,
        "usage": usage,
        "tools over three turns": tools,
        "handoffs": handoffs,
        "objects": objects,
        "goes on after thoughts": thoughts,
        "pictures": pictures,
        "errors": errors,
        **({"goes on by an id": by_id} if KEPT else {}),
    },
)
