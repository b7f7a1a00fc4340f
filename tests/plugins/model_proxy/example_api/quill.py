"""The API of Quill, an imagined server of models: text, tools and streams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from clawmatrix_core import hookimpl
from clawmatrix_model_proxy.api import (
    BadAnswer,
    Begin,
    Close,
    Completed,
    Delta,
    ErrorWords,
    Event,
    Failed,
    Finish,
    FinishReason,
    ModelApi,
    NeutralAnswer,
    NeutralRequest,
    NewId,
    Open,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
    Unsupported,
    Usage,
    answer_of,
    write_settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAME = "quill"
"""Under this name the stamps of calls are kept for the upstream."""

WHO = {
    "system": "director",
    "developer": "director",
    "user": "person",
    "assistant": "writer",
    "tool": "tool",
}
ENDS: dict[str, FinishReason] = {"done": "stop", "asked": "tool_calls", "too long": "length"}
PLACES = {"temperature": "style.boldness", "seed": "style.seed"}
"""Where Quill has the settings that are moved as they are; others are refused, or dropped."""


class QuillCodec:
    name = NAME

    # --- requests

    def write_request(
        self, request: NeutralRequest, *, model: str, max_tokens: int
    ) -> dict[str, Any]:
        if request.format is not None and request.format.kind != "text":
            raise Unsupported("response_format", "Quill writes text only")
        lines = [line for turn in request.turns for line in write_turn(turn)]
        body: dict[str, Any] = {"script": lines, "stream": request.stream}
        body["longest"] = request.settings.get("max_tokens", max_tokens)
        if request.tools:
            body["tools"] = [write_tool(tool) for tool in request.tools]
            body["must"] = write_choice(request)
        write_settings(NAME, request, body, places=PLACES, own=("max_tokens",))
        return body

    # --- answers

    def read_answer(self, body: dict[str, Any], *, new_id: NewId) -> NeutralAnswer:
        # A whole answer has the members of all the events of its stream.
        reader = QuillReader(new_id)
        return answer_of([*reader.read(body), *reader.done()])

    def reader(self, *, new_id: NewId) -> QuillReader:
        return QuillReader(new_id)

    # These two are optional.

    def read_error(self, status: int, body: dict[str, Any]) -> ErrorWords:
        problem = body.get("problem")
        return ErrorWords(str(problem or f"Quill answered {status}"))

    def read_models(self, body: dict[str, Any]) -> Iterable[str]:
        return [str(name) for name in body.get("writers") or ()]


def write_turn(turn: Turn) -> Iterator[dict[str, Any]]:
    """Write one turn: its texts, then its calls, or the results of tools."""
    who = WHO[turn.role]
    texts = [part.text for part in turn.parts if isinstance(part, Text)]
    calls = [part for part in turn.parts if isinstance(part, ToolCall)]
    results = [part for part in turn.parts if isinstance(part, ToolResult)]
    if len(texts) + len(calls) + len(results) < len(turn.parts):
        raise Unsupported("messages", "Quill takes text, calls of tools, and their results")
    if texts or calls:
        line: dict[str, Any] = {"who": who, "say": "\n".join(texts)}
        if calls:
            line["ask"] = [write_call(call) for call in calls]
        yield line
    for result in results:
        found = [part.text for part in result.parts if isinstance(part, Text)]
        yield {"who": who, "about": result.call_id, "say": "\n".join(found)}


def write_call(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError:
        raise Unsupported("messages", f"the arguments of {call.name} are not JSON") from None
    written = {"id": call.id, "tool": call.name, "with": arguments}
    # What this API's own upstreams sealed goes back to them, and to nobody else.
    return {**written, "stamp": call.sealed} if call.sealed_by == NAME else written


def write_tool(tool: Tool) -> dict[str, Any]:
    if tool.free:
        raise Unsupported("tools", f"{tool.name} takes text; the tools of Quill take JSON")
    return {"name": tool.name, "does": tool.description or "", "takes": tool.parameters or {}}


def write_choice(request: NeutralRequest) -> str:
    choice = request.tool_choice
    if choice is None or (choice.mode == "auto" and not choice.names):
        return "maybe"
    if choice.mode == "none":
        return "never"
    if choice.mode == "named":
        return f"ask {choice.names[0]}"
    if choice.names:
        raise Unsupported("tool_choice", "Quill may choose among all tools only")
    return "ask"


class QuillReader:
    """Reads one stream. Each event has one of `say`, `ask`, `problem` and `because`.

    The last event of an answer says why it ended: without it no answer is whole.
    """

    def __init__(self, new_id: NewId) -> None:
        self.new_id = new_id
        self.blocks = 0
        self.saying = False
        self.begun = False
        self.ended = False

    def read(self, payload: dict[str, Any]) -> Iterable[Event]:
        if not self.begun:
            self.begun = True
            yield Begin(str(payload.get("id", "")), str(payload.get("writer", "")))
        if payload.get("problem"):
            yield Failed(ErrorWords(str(payload["problem"]), "api_error").body)
            return
        if payload.get("say"):
            yield from self.say(payload["say"])
        for ask in payload.get("ask") or ():
            yield from self.call(ask)
        if "because" in payload:
            yield from self.end(payload)

    def done(self, *, marked: bool = False) -> Iterable[Event]:
        return [Completed()] if self.ended else []

    def say(self, text: Any) -> Iterator[Event]:
        if not isinstance(text, str):
            raise BadAnswer("say: must be text")
        if not self.saying:
            self.saying = True
            self.blocks += 1
            yield Open(self.blocks - 1, "text")
        yield Delta(self.blocks - 1, text)

    def call(self, ask: Any) -> Iterator[Event]:
        if not isinstance(ask, dict) or not isinstance(ask.get("tool"), str):
            raise BadAnswer("ask: a call without the name of its tool")
        yield from self.close()
        number = self.blocks
        self.blocks += 1
        call_id = ask.get("id") or self.new_id("call_")
        stamp = ask.get("stamp") or ""
        sealed_by = NAME if stamp else ""
        yield Open(number, "tool", call_id, ask["tool"], sealed=stamp, sealed_by=sealed_by)
        yield Delta(number, json.dumps(ask.get("with") or {}))
        yield Close(number)

    def end(self, payload: dict[str, Any]) -> Iterator[Event]:
        reason = ENDS.get(payload["because"])
        if reason is None:
            raise BadAnswer(f"because: {payload['because']!r} is not known")
        yield from self.close()
        spent = payload.get("spent") or {}
        self.ended = True
        yield Finish(reason, Usage(spent.get("read", 0), spent.get("wrote", 0)))

    def close(self) -> Iterator[Event]:
        if self.saying:
            self.saying = False
            yield Close(self.blocks - 1)


class QuillPlugin:
    """Adds the API; a model of the configuration has it by `api = "quill:talk"`."""

    extends = ("model-proxy",)

    @hookimpl
    def register_model_apis(self) -> list[ModelApi]:
        return [
            ModelApi(
                "quill:talk",
                {NAME: "talk"},
                QuillCodec(),
                key_header=("x-quill-key", ""),
                stream_path="talk?events=yes",
                list_path="writers",
            )
        ]
