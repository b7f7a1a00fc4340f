"""The official SDKs of the three APIs, as one: each asks, runs tools and says what it heard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anthropic
import attrs
import openai

if TYPE_CHECKING:
    from tests.plugins.gemini.conftest import Asking

__all__ = ["CLIENTS", "Call", "Heard"]

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
"""What each tool of a test takes."""


@attrs.frozen
class Call:
    """A tool that the model asks for."""

    id: str
    name: str
    arguments: dict[str, Any]


@attrs.define
class Heard:
    """An answer.

    Attributes:
        reason: why it ended, in the words of the API.
        usage: tokens in, out, cached and thought; None for what the API does not say.
        own: the answer as the SDK has it, for the next turn.
    """

    text: str
    thoughts: str
    calls: list[Call]
    reason: str
    usage: tuple[int | None, ...]
    own: Any


class Chat:
    """Chat completions."""

    def __init__(self, asking: Asking) -> None:
        self.sdk = openai.AsyncOpenAI(
            base_url=f"{asking.url}/v1", api_key=asking.token, max_retries=0
        )
        asking.sdks.append(self.sdk)
        self.said: list[Any] = []

    def user(self, content: Any) -> None:
        self.said.append({"role": "user", "content": content})

    def image(self, text: str, url: str) -> None:
        picture = {"type": "image_url", "image_url": {"url": url}}
        self.user([{"type": "text", "text": text}, picture])

    def results(self, results: dict[str, str]) -> None:
        self.said += [
            {"role": "tool", "tool_call_id": id, "content": text} for id, text in results.items()
        ]

    async def ask(self, *, stream: bool, tools: list[str] | None = None, **more: Any) -> Heard:
        listed: Any = [
            {"type": "function", "function": {"name": name, "parameters": SCHEMA}}
            for name in tools or ()
        ]
        asked: dict[str, Any] = {"model": "g", "messages": self.said, **more}
        if listed:
            asked["tools"] = listed
        if stream:
            options: Any = {"include_usage": True}
            async with self.sdk.chat.completions.stream(stream_options=options, **asked) as events:
                whole: Any = await _completion(events)
        else:
            whole = await self.sdk.chat.completions.create(**asked)
        [choice] = whole.choices
        message = choice.message
        self.said.append(message)
        calls = [
            Call(one.id, one.function.name, json.loads(one.function.arguments))
            for one in message.tool_calls or ()
        ]
        usage, into = whole.usage, whole.usage.prompt_tokens_details
        out = usage.completion_tokens_details
        counts = (
            usage.prompt_tokens,
            usage.completion_tokens,
            into and into.cached_tokens,
            out and out.reasoning_tokens,
        )
        thoughts = getattr(message, "reasoning_content", None) or ""
        return Heard(message.content or "", thoughts, calls, choice.finish_reason, counts, whole)


async def _completion(events: Any) -> Any:
    try:
        return await events.get_final_completion()
    except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError) as ended:
        return ended.completion  # its parser wants a whole text


class Responses:
    """Responses."""

    def __init__(self, asking: Asking) -> None:
        self.sdk = openai.AsyncOpenAI(
            base_url=f"{asking.url}/v1", api_key=asking.token, max_retries=0
        )
        asking.sdks.append(self.sdk)
        self.said: list[Any] = []

    def user(self, content: Any) -> None:
        self.said.append({"role": "user", "content": content})

    def image(self, text: str, url: str) -> None:
        picture = {"type": "input_image", "image_url": url, "detail": "auto"}
        self.user([{"type": "input_text", "text": text}, picture])

    def results(self, results: dict[str, str]) -> None:
        self.said += [
            {"type": "function_call_output", "call_id": id, "output": text}
            for id, text in results.items()
        ]

    async def ask(self, *, stream: bool, tools: list[str] | None = None, **more: Any) -> Heard:
        listed: Any = [
            {"type": "function", "name": name, "parameters": SCHEMA, "strict": False}
            for name in tools or ()
        ]
        whole: Any
        asked: dict[str, Any] = {"model": "g", "input": self.said, "tools": listed, **more}
        if stream:
            async with self.sdk.responses.stream(**asked) as events:
                ends = ("response.completed", "response.incomplete")
                seen: list[Any] = [one async for one in events]
                [whole] = [one.response for one in seen if one.type in ends]
        else:
            whole = await self.sdk.responses.create(**asked)
        # As clients do that keep no state at the server: what came goes back, as JSON.
        self.said += [item.model_dump(exclude_none=True, mode="json") for item in whole.output]
        calls = [
            Call(one.call_id, one.name, json.loads(one.arguments))
            for one in whole.output
            if one.type == "function_call"
        ]
        thoughts = "".join(
            part.text for one in whole.output if one.type == "reasoning" for part in one.summary
        )
        usage = whole.usage
        counts = (
            usage.input_tokens,
            usage.output_tokens,
            usage.input_tokens_details.cached_tokens,
            usage.output_tokens_details.reasoning_tokens,
        )
        details = whole.incomplete_details
        reason = details.reason if details is not None else whole.status
        return Heard(whole.output_text, thoughts, calls, reason, counts, whole)


class Messages:
    """Messages."""

    def __init__(self, asking: Asking) -> None:
        self.sdk = anthropic.AsyncAnthropic(
            base_url=asking.url, api_key=asking.token, max_retries=0
        )
        asking.sdks.append(self.sdk)
        self.said: list[Any] = []

    def user(self, content: Any) -> None:
        self.said.append({"role": "user", "content": content})

    def image(self, text: str, url: str) -> None:
        kind, _, data = url.removeprefix("data:").partition(";base64,")
        source = {"type": "base64", "media_type": kind, "data": data}
        self.user([{"type": "text", "text": text}, {"type": "image", "source": source}])

    def results(self, results: dict[str, str]) -> None:
        self.user(
            [
                {"type": "tool_result", "tool_use_id": id, "content": text}
                for id, text in results.items()
            ]
        )

    async def ask(self, *, stream: bool, tools: list[str] | None = None, **more: Any) -> Heard:
        listed: Any = [{"name": name, "input_schema": SCHEMA} for name in tools or ()]
        asked: dict[str, Any] = {"model": "g", "messages": self.said, "max_tokens": 999, **more}
        if listed:
            asked["tools"] = listed
        if stream:
            async with self.sdk.messages.stream(**asked) as events:
                whole: Any = await events.get_final_message()
        else:
            whole = await self.sdk.messages.create(**asked)
        self.said.append({"role": "assistant", "content": whole.content})
        blocks = whole.content
        calls = [Call(one.id, one.name, one.input) for one in blocks if one.type == "tool_use"]
        text = "".join(one.text for one in blocks if one.type == "text")
        thoughts = "".join(one.thinking for one in blocks if one.type == "thinking")
        usage = whole.usage
        cached = usage.cache_read_input_tokens
        details = usage.output_tokens_details
        thought = details and details.thinking_tokens
        counts = (usage.input_tokens + (cached or 0), usage.output_tokens, cached, thought)
        return Heard(text, thoughts, calls, whole.stop_reason, counts, whole)


CLIENTS: dict[str, type[Chat] | type[Responses] | type[Messages]] = {
    "chat": Chat,
    "responses": Responses,
    "messages": Messages,
}
