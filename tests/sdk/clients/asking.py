"""One way to ask by each of the three APIs, by today's SDKs, whole or by a stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import anthropic
import attrs
import openai
import pytest

from tests.sdk.things import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.sdk.conftest import Mesh

API = Literal["chat", "Responses", "Messages"]
LENGTHS = {"length", "max_tokens", "incomplete"}


@attrs.frozen
class Answer:
    """What a model answered: `said` goes into the conversation as it is."""

    text: str
    calls: list[tuple[str, str, dict[str, Any]]]
    cut: bool
    tokens: tuple[int, int]
    said: list[dict[str, Any]]


@attrs.frozen
class Asking:
    """Asks a model of a mesh by one API; what is asked is in the API's own shape but for tools."""

    mesh: Mesh
    api: API
    model: str
    live: bool = False

    def ask(self, said: list[dict[str, Any]], **more: Any) -> Answer:
        """Ask and return the answer; `more` is passed to the SDK."""
        if self.api == "chat":
            return self._chat(said, **more)
        if self.api == "Responses":
            return self._responses(said, **more)
        return self._messages(said, **more)

    def user(self, words: str) -> dict[str, Any]:
        return {"role": "user", "content": words}

    def results(self, answer: Answer, results: list[str]) -> list[dict[str, Any]]:
        """Return what the conversation goes on with when the tools have run."""
        ids = [id_ for id_, _, _ in answer.calls]
        pairs = list(zip(ids, results, strict=True))
        if self.api == "chat":
            return [{"role": "tool", "tool_call_id": i, "content": result} for i, result in pairs]
        if self.api == "Responses":
            kind = "function_call_output"
            return [{"type": kind, "call_id": i, "output": result} for i, result in pairs]
        blocks = [
            {"type": "tool_result", "tool_use_id": i, "content": result} for i, result in pairs
        ]
        return [{"role": "user", "content": blocks}]

    def tools(self, parameters: dict[str, Any] = SCHEMA["parameters"]) -> list[dict[str, Any]]:
        """Return the tool for the weather as this API has it."""
        about = {"name": "get_weather", "description": SCHEMA["description"]}
        if self.api == "chat":
            return [{"type": "function", "function": {**about, "parameters": parameters}}]
        if self.api == "Responses":
            return [{"type": "function", **about, "parameters": parameters, "strict": False}]
        return [{**about, "input_schema": parameters}]

    def _openai(self) -> Any:
        return openai.OpenAI(base_url=self.mesh.url, api_key=self.mesh.token, max_retries=0)

    def _chat(self, messages: Any, limit: int = 400, **more: Any) -> Answer:
        asked: dict[str, Any] = {"model": self.model, "messages": messages, "max_tokens": limit}
        asked |= more
        chat = self._openai().chat.completions
        if self.live:
            counted = {"include_usage": True}
            found = _gathered(chat.create(**asked, stream=True, stream_options=counted))
        else:
            found = chat.create(**asked).model_dump(mode="json")
        choice, usage = found["choices"][0], found["usage"]
        message = choice["message"]
        calls = [
            (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in message.get("tool_calls") or []
        ]
        fields = ("content", "tool_calls")
        said = {name: message[name] for name in fields if message.get(name)}
        return Answer(
            message["content"] or "",
            calls,
            choice["finish_reason"] in LENGTHS,
            (usage["prompt_tokens"], usage["completion_tokens"]),
            [{"role": "assistant", **said}],
        )

    def _responses(self, items: Any, limit: int = 400, **more: Any) -> Answer:
        asked: dict[str, Any] = {"model": self.model, "input": items, "store": False}
        asked |= {"max_output_tokens": limit, **more}
        responses = self._openai().responses
        if self.live:
            events = list(responses.create(**asked, stream=True))
            failed = [event for event in events if event.type in ("error", "response.failed")]
            assert not failed, failed
            found: Any = events[-1].response
        else:
            found = responses.create(**asked)
        calls = [
            (item.call_id, item.name, json.loads(item.arguments))
            for item in found.output
            if item.type == "function_call"
        ]
        return Answer(
            found.output_text,
            calls,
            found.status in LENGTHS,
            (found.usage.input_tokens, found.usage.output_tokens),
            [item.model_dump(exclude_none=True, mode="json") for item in found.output],
        )

    def _messages(self, messages: Any, limit: int = 400, **more: Any) -> Answer:
        root = self.mesh.url.removesuffix("/v1")
        client = anthropic.Anthropic(base_url=root, api_key=self.mesh.token, max_retries=0)
        asked: dict[str, Any] = {"model": self.model, "messages": messages, "max_tokens": limit}
        asked |= more
        if self.live:
            with client.messages.stream(**asked) as stream:
                found: Any = stream.get_final_message()
        else:
            found = client.messages.create(**asked)
        calls = [(b.id, b.name, dict(b.input)) for b in found.content if b.type == "tool_use"]
        cached = found.usage.cache_read_input_tokens or 0
        content = [block.model_dump(exclude_none=True, mode="json") for block in found.content]
        return Answer(
            "".join(block.text for block in found.content if block.type == "text"),
            calls,
            found.stop_reason in LENGTHS,
            (found.usage.input_tokens + cached, found.usage.output_tokens),
            [{"role": "assistant", "content": content}],
        )


def _gathered(chunks: Iterable[Any]) -> dict[str, Any]:
    """Put the chunks of a chat together; the helper of the SDK raises where an answer is cut."""
    message: dict[str, Any] = {"content": "", "tool_calls": []}
    reason, usage = None, None
    for chunk in chunks:
        usage = chunk.usage.model_dump() if chunk.usage else usage
        for choice in chunk.choices:
            reason = choice.finish_reason or reason
            message["content"] += choice.delta.content or ""
            for piece in choice.delta.tool_calls or ():
                if piece.index == len(message["tool_calls"]):
                    function = {"name": piece.function.name, "arguments": ""}
                    call = {"id": piece.id, "type": "function", "function": function}
                    message["tool_calls"].append(call)
                told = message["tool_calls"][piece.index]["function"]
                told["arguments"] += piece.function.arguments or ""
    return {"choices": [{"message": message, "finish_reason": reason}], "usage": usage}


def outcomes(asking: Asking, uses: dict[str, Callable[[Asking], None]]) -> dict[str, str | None]:
    """Try each use; return what went wrong, None where nothing did."""
    found: dict[str, str | None] = {}
    for name, use in uses.items():
        try:
            use(asking)
            found[name] = None
        except Exception as error:  # noqa: BLE001 - all are reported at the end
            found[name] = f"{type(error).__name__}: {error}"[:2000]
    return found


def refused(asking: Asking, words: str, because: str) -> None:
    """See to it that this is a bad request, told in these words, by any of the SDKs."""
    with pytest.raises((openai.BadRequestError, anthropic.BadRequestError), match=because):
        asking.ask([asking.user(words)])
