"""Writes a request of the Messages API."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.convert.messages.parts import write_document, write_image
from clawmatrix_model_proxy.convert.messages.settings import write_own
from clawmatrix_model_proxy.convert.messages.tools import write_choice, write_tools
from clawmatrix_model_proxy.json_values import decode
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.request import (
    Audio,
    File,
    Image,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from clawmatrix_model_proxy.neutral.settings import write_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clawmatrix_model_proxy.neutral.request import NeutralRequest, Part, Turn

__all__ = ["write_request"]

Block = dict[str, Any]
_SIDES = {"system": "system", "developer": "system", "assistant": "assistant"}


def write_request(request: NeutralRequest, *, max_tokens: int) -> dict[str, Any]:
    """Write a request for an upstream, without its model. Raises: Unsupported."""
    system, messages = _conversation(request)
    body: dict[str, Any] = {"messages": messages}
    if system:
        body["system"] = _short(system)
    if request.tools:
        body["tools"] = write_tools(request.tools)
    if (choice := write_choice(request)) is not None:
        body["tool_choice"] = choice
    write_own(request, body, max_tokens=max_tokens)
    write_settings("messages", request, body)
    if request.stream:
        body["stream"] = True
    return body


def _conversation(request: NeutralRequest) -> tuple[list[Block], list[dict[str, Any]]]:
    write = _PartWriter(request)
    system: list[Block] = []
    messages: list[dict[str, Any]] = []
    for side, turns in groupby(request.turns, key=lambda turn: _SIDES.get(turn.role, "user")):
        blocks = write.blocks(turns)
        if side == "system" and not messages:
            system += blocks
        elif blocks and messages and messages[-1]["role"] == side:
            messages[-1]["content"] += blocks  # what stood between them was empty
        elif blocks:
            messages.append({"role": side, "content": blocks})
    if not messages:
        raise Unsupported(write.where, "Messages wants something that a user said")
    _end_without_space(messages[-1])
    for message in messages:
        message["content"] = _short(_results_first(message["content"]))
    return system, messages


def _end_without_space(message: dict[str, Any]) -> None:
    """Take white space from the end of an answer that the upstream is to go on with."""
    last = message["content"][-1]
    if message["role"] == "assistant" and last["type"] == "text":
        last["text"] = last["text"].rstrip()


def _results_first(blocks: list[Block]) -> list[Block]:
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")


def _short(blocks: list[Block]) -> str | list[Block]:
    if len(blocks) == 1 and blocks[0]["type"] == "text":
        words: str = blocks[0]["text"]
        return words
    return blocks


class _PartWriter:
    """Writes the parts of one request's turns."""

    def __init__(self, request: NeutralRequest) -> None:
        self.where = "input" if request.api == "responses" else "messages"
        self._kept_here = request.api == "messages"

    def blocks(self, turns: Iterable[Turn]) -> list[Block]:
        """Return the blocks of turns of one side. Raises: Unsupported."""
        return [block for turn in turns for part in turn.parts for block in self._part(part)]

    def _part(self, part: Part) -> Iterator[Block]:
        match part:
            case Text(words) | Refusal(words):
                if words.strip():
                    yield {"type": "text", "text": words}
            case Image():
                yield write_image(part, self.where, kept_here=self._kept_here)
            case File():
                yield write_document(part, self.where, kept_here=self._kept_here)
            case Reasoning():
                yield from _thought(part)
            case ToolCall():
                yield self._call(part)
            case ToolResult():
                yield self._result(part)
            case Audio(format=format):
                raise Unsupported(self.where, f"sound ({format}) has no place in Messages")

    def _call(self, call: ToolCall) -> Block:
        if call.free:
            message = f"a call of {call.name!r} with text; in Messages all take JSON"
            raise Unsupported(self.where, message)
        arguments = read_arguments(call.arguments)
        if arguments is None:
            message = f"the arguments of a call of {call.name!r} are not a JSON object"
            raise Unsupported(self.where, message)
        return {
            "type": "tool_use",
            "id": call.id,
            "name": call.name,
            "input": arguments,
        }

    def _result(self, result: ToolResult) -> Block:
        if result.free:
            message = "the result of a call with text; in Messages all calls take JSON"
            raise Unsupported(self.where, message)
        block: Block = {"type": "tool_result", "tool_use_id": result.call_id}
        content = [block for part in result.parts for block in self._part(part)]
        if content:
            block["content"] = _short(content)
        if result.failed is not None:
            block["is_error"] = result.failed
        return block


def read_arguments(arguments: str) -> dict[str, Any] | None:
    """Return a tool's arguments, none of which is the same as an empty object; else None."""
    if not arguments.strip():
        return {}
    try:
        decoded = decode(arguments.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None


def _thought(thought: Reasoning) -> Iterator[Block]:
    # Without a signature of its own maker's the upstream would refuse it.
    if thought.sealed_by != "messages" or not thought.sealed:
        return
    if thought.redacted:
        yield {"type": "redacted_thinking", "data": thought.sealed}
        return
    words = thought.text or "\n\n".join(thought.summary)
    yield {"type": "thinking", "thinking": words, "signature": thought.sealed}
