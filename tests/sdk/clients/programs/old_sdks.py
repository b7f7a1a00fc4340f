"""SDKs of OpenAI and Anthropic as programs still have them: old_sdks.py KIND MODEL [embeddings].

Kinds are `chat`, by the SDK of OpenAI 1.x, and `messages`, by the SDK of Anthropic 0.3x.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from typing import Any

import anthropic
import openai
from reporting import PNG, ROOT, TOKEN, URL, report, weather

KIND, NAME, *MORE = sys.argv[1:]
PLAIN = f"plain-{NAME}"
CHAT = openai.OpenAI(base_url=URL, api_key=TOKEN, max_retries=0)
MESSAGES = anthropic.Anthropic(base_url=ROOT, api_key=TOKEN, max_retries=0)
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "description": "Says what the weather is."}
Said = list[dict[str, Any]]


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


class Chat:
    """Chat completions, by the old SDK of OpenAI."""

    def __init__(self) -> None:
        tool = {"type": "function", "function": {**WEATHER, "parameters": PARAMETERS}}
        self.tools: list[Any] = [tool]

    def ask(self, said: Said, model: str = NAME, **more: Any) -> Any:
        messages: Any = said
        return CHAT.chat.completions.create(model=model, messages=messages, **more)

    def text(self, answer: Any) -> str:
        return str(answer.choices[0].message.content)

    def stop(self, answer: Any) -> str:
        return str(answer.choices[0].finish_reason)

    def usage(self, answer: Any) -> tuple[int, int]:
        return answer.usage.prompt_tokens, answer.usage.completion_tokens

    def stream(self, said: Said, model: str = NAME) -> list[str]:
        chunks = self.ask(said, model, stream=True)
        return [c.choices[0].delta.content or "" for c in chunks if c.choices]

    async def stream_async(self, said: Said) -> list[str]:
        messages: Any = said
        async with openai.AsyncOpenAI(base_url=URL, api_key=TOKEN, max_retries=0) as client:
            chunks = await client.chat.completions.create(
                model=NAME, messages=messages, stream=True
            )
            return [c.choices[0].delta.content or "" async for c in chunks if c.choices]

    def results(self, answer: Any) -> Said:
        """Return what follows an answer with calls: itself, and the results."""
        message = answer.choices[0].message
        found: Said = [message.model_dump(exclude_unset=True)]
        for call in message.tool_calls:
            result = weather(**json.loads(call.function.arguments))
            found.append({"role": "tool", "tool_call_id": call.id, "content": result})
        return found

    def picture(self) -> dict[str, Any]:
        url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
        return {"type": "image_url", "image_url": {"url": url}}

    errors = (openai.BadRequestError, openai.RateLimitError, openai.NotFoundError)


class Messages:
    """Messages, by the old SDK of Anthropic."""

    tools: list[Any] = [{**WEATHER, "input_schema": PARAMETERS}]  # noqa: RUF012 - never changed

    def ask(self, said: Said, model: str = NAME, **more: Any) -> Any:
        messages: Any = said
        return MESSAGES.messages.create(model=model, max_tokens=100, messages=messages, **more)

    def text(self, answer: Any) -> str:
        return "".join(getattr(block, "text", "") for block in answer.content)

    def stop(self, answer: Any) -> str:
        return {"max_tokens": "length", "end_turn": "stop"}.get(answer.stop_reason, "other")

    def usage(self, answer: Any) -> tuple[int, int]:
        cached = getattr(answer.usage, "cache_read_input_tokens", 0) or 0
        return answer.usage.input_tokens + cached, answer.usage.output_tokens

    def stream(self, said: Said, model: str = NAME) -> list[str]:
        messages: Any = said
        with MESSAGES.messages.stream(model=model, max_tokens=100, messages=messages) as stream:
            deltas = list(stream.text_stream)
            assert self.text(stream.get_final_message()) == "".join(deltas)
        return deltas

    async def stream_async(self, said: Said) -> list[str]:
        messages: Any = said
        async with (
            anthropic.AsyncAnthropic(base_url=ROOT, api_key=TOKEN, max_retries=0) as client,
            client.messages.stream(model=NAME, max_tokens=100, messages=messages) as stream,
        ):
            return [delta async for delta in stream.text_stream]

    def results(self, answer: Any) -> Said:
        """Return what follows an answer with calls: itself, and the results."""
        calls = [block for block in answer.content if block.type == "tool_use"]
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": weather(**call.input)}
            for call in calls
        ]
        content = [block.model_dump(exclude_unset=True) for block in answer.content]
        return [{"role": "assistant", "content": content}, user(results)]

    def picture(self) -> dict[str, Any]:
        data = base64.b64encode(PNG).decode()
        source = {"type": "base64", "media_type": "image/png", "data": data}
        return {"type": "image", "source": source}

    errors = (anthropic.BadRequestError, anthropic.RateLimitError, anthropic.NotFoundError)


api = Chat() if KIND == "chat" else Messages()


def generate() -> None:
    assert api.text(api.ask([user("hello there")])) == "You said: hello there"


def stream() -> None:
    deltas = api.stream([user("something long")])
    assert "".join(deltas) == "word " * 400
    assert len(deltas) > 100
    live = asyncio.run(api.stream_async([user("something long")]))
    assert "".join(live) == "word " * 400


def usage() -> None:
    prompt, answer = api.usage(api.ask([user("hello there")], PLAIN))
    # the older SDK of Anthropic has no field for what was cached, of which there were 3
    assert prompt in ((17,) if KIND == "chat" else (17, 14))
    assert answer == 5


def tools() -> None:
    said = [user("the weather here and there")]
    said += api.results(api.ask(said, tools=api.tools))
    answer = api.ask(said, tools=api.tools)
    assert api.text(answer) == "They say: rain in Oslo and sun in Rome."
    said += [{"role": "assistant", "content": api.text(answer)}, user("the weather, politely")]
    said += api.results(api.ask(said, tools=api.tools))
    assert api.text(api.ask(said, tools=api.tools)) == "They say: rain in Oslo."


def pictures() -> None:
    content = [{"type": "text", "text": "what do you see"}, api.picture()]
    assert api.text(api.ask([user(content)], PLAIN)) == "I see 1 picture(s)."


def cut() -> None:
    assert api.stop(api.ask([user("be cut short")], PLAIN)) == "length"


def errors() -> None:
    for words, kind in zip(("something wrong", "too many"), api.errors, strict=False):
        for ask in (api.ask, api.stream):
            try:
                ask([user(words)])
            except kind:
                continue
            raise AssertionError(f"{words}: no error")


def embeddings() -> None:
    found = CHAT.embeddings.create(model=NAME, input=["here", "there"]).data
    assert [type(one.embedding[0]) for one in found] == [float, float]
    assert found[0].embedding != found[1].embedding


report(
    ["openai" if KIND == "chat" else "anthropic"],
    {
        "generate": generate,
        "stream": stream,
        "usage": usage,
        "tools over two turns": tools,
        "pictures": pictures,
        "cut answers": cut,
        "errors": errors,
    }
    | ({"embeddings": embeddings} if MORE else {}),
)
