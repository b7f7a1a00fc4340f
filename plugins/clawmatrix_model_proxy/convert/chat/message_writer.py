"""A conversation, written as the messages of a chat completion request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from clawmatrix_model_proxy.convert.chat.call_seals import written_seal
from clawmatrix_model_proxy.convert.chat.message_seals import put_back
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.request import (
    Audio,
    File,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clawmatrix_model_proxy.neutral.request import NeutralRequest

__all__ = ["thoughts_of", "tool_call", "written_messages"]

P = TypeVar("P", bound="Part")
_NAMES: dict[type, str] = {
    Text: "a text",
    Image: "an image",
    File: "a file",
    Audio: "audio",
    Refusal: "a refusal",
    Reasoning: "reasoning",
    ToolCall: "the call of a tool",
    ToolResult: "the result of a tool",
}


def written_messages(request: NeutralRequest) -> list[dict[str, Any]]:
    """Write the turns of a request. Raises: Unsupported."""
    messages: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    for where, turn in _joined(request):
        if shown and turn.role != "tool":
            messages.append({"role": "user", "content": shown})
            shown = []
        if turn.role == "assistant":
            messages.append(_assistant(turn, where))
        elif turn.role == "tool":
            messages.extend(_results(turn, where))
            shown += _shown_by_tools(turn, where)
        else:
            messages.append(_message(turn, where))
    return [*messages, {"role": "user", "content": shown}] if shown else messages


def tool_call(call: ToolCall) -> dict[str, Any]:
    """Write a call of a tool. A call without arguments has an empty object of them.

    A seal goes with it where a chat upstream put it there.
    """
    seal = written_seal(call.sealed, call.sealed_by) if call.sealed_by == "chat" else {}
    if call.free:
        inner = {"name": call.name, "input": call.arguments}
        return {"id": call.id, "type": "custom", "custom": inner, **seal}
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call.id, "type": "function", "function": function, **seal}


def thoughts_of(parts: Iterable[Reasoning]) -> str:
    """Return the thoughts that another model may read: none that only their maker reads."""
    shown = (part for part in parts if not part.redacted and part.sealed_by in ("", "chat"))
    texts = (part.text or "\n\n".join(part.summary) for part in shown)
    return "\n\n".join(text for text in texts if text)


class _Message(msgspec.Struct):
    """A message as far as it has come: a turn, or several of the assistant's.

    Attributes:
        calls, says: whether there are calls in it, and whether there are words.
    """

    where: str
    turn: Turn
    parts: list[Part] = msgspec.field(default_factory=list)
    calls: bool = False
    says: bool = False

    def add(self, turn: Turn) -> None:
        self.parts += turn.parts
        self.calls = self.calls or _has(ToolCall, turn)
        self.says = self.says or _has(Text | Refusal, turn)

    def takes(self, turn: Turn) -> bool:
        """Say whether a turn belongs into this message.

        One with calls is to be followed by their results, by nothing else of the assistant's.
        """
        if self.turn.role != "assistant" or turn.role != "assistant":
            return False
        if self.turn.name != turn.name:
            return False
        return self.calls or not self.says or not _has(Text | Refusal, turn)

    def whole(self) -> Turn:
        return Turn(self.turn.role, tuple(self.parts), self.turn.name)


def _joined(request: NeutralRequest) -> Iterator[tuple[str, Turn]]:
    """Give the turns that are a message each, with their places in the request."""
    message: _Message | None = None
    for at, turn in enumerate(request.turns):
        if message is None or not message.takes(turn):
            if message is not None:
                yield message.where, message.whole()
            message = _Message(_place(request.api, at), turn)
        message.add(turn)
    if message is not None:
        yield message.where, message.whole()


def _place(api: str, at: int) -> str:
    # Only a chat client's turns are counted as its messages are.
    if api == "chat":
        return f"messages[{at}]"
    return "input" if api == "responses" else "messages"


def _has(kind: Any, turn: Turn) -> bool:
    return any(isinstance(part, kind) for part in turn.parts)


# --- messages


def _assistant(turn: Turn, where: str) -> dict[str, Any]:
    for part in turn.parts:
        if not isinstance(part, Text | Refusal | Reasoning | ToolCall):
            raise Unsupported(where, f"{_name(part)} cannot be in a message of the assistant's")
    message = _of("assistant", turn)
    said = [part for part in turn.parts if isinstance(part, Text | Refusal)]
    calls = _only(ToolCall, turn)
    if [type(part) for part in said].count(Refusal) == 1 and isinstance(said[-1], Refusal):
        message["refusal"] = said.pop().text
    message["content"] = _content([_said(part) for part in said])
    if not said and (calls or "refusal" in message):
        message["content"] = None
    thoughts = thoughts_of(_only(Reasoning, turn))
    if thoughts:
        message["reasoning_content"] = thoughts
    if calls:
        message["tool_calls"] = [tool_call(call) for call in calls]
    put_back(message, _only(Reasoning, turn))
    return message


def _results(turn: Turn, where: str) -> Iterator[dict[str, Any]]:
    for result in turn.parts:
        if not isinstance(result, ToolResult):
            raise Unsupported(where, f"{_name(result)} cannot be in a message of a tool's")
        parts = [_text(part) for part in result.parts if isinstance(part, Text)]
        call = {"tool_call_id": result.call_id, "content": _content(parts)}
        yield _of("tool", turn) | call


def _shown_by_tools(turn: Turn, where: str) -> list[dict[str, Any]]:
    """Return the images and files of results, which only a message of the user's may have."""
    return [
        _shown(part, where)
        for result in _only(ToolResult, turn)
        for part in result.parts
        if not isinstance(part, Text)
    ]


def _message(turn: Turn, where: str) -> dict[str, Any]:
    message = _of(turn.role, turn)
    if turn.role != "user":
        for part in turn.parts:
            if not isinstance(part, Text):
                raise Unsupported(where, f"{_name(part)} cannot be in a message of this role")
    message["content"] = _content([_shown(part, where) for part in turn.parts])
    return message


def _of(role: str, turn: Turn) -> dict[str, Any]:
    return {"role": role} if turn.name is None else {"role": role, "name": turn.name}


def _content(parts: list[dict[str, Any]]) -> Any:
    # A plain string wherever it can be one: there are servers that take nothing else.
    if not parts:
        return ""
    return parts[0]["text"] if len(parts) == 1 and "text" in parts[0] else parts


def _only(kind: type[P], turn: Turn) -> list[P]:
    return [part for part in turn.parts if isinstance(part, kind)]


def _name(part: Part) -> str:
    return _NAMES[type(part)]


# --- parts


def _text(part: Text) -> dict[str, Any]:
    return {"type": "text", "text": part.text}


def _said(part: Text | Refusal) -> dict[str, Any]:
    return _text(part) if isinstance(part, Text) else {"type": "refusal", "refusal": part.text}


def _shown(part: Part, where: str) -> dict[str, Any]:
    match part:
        case Text():
            return _text(part)
        case Image():
            return _image(part, where)
        case File():
            return _file(part, where)
        case Audio():
            sound = {"data": part.data, "format": part.format}
            return {"type": "input_audio", "input_audio": sound}
    raise Unsupported(where, f"{_name(part)} cannot be in a message of the user's")


def _image(image: Image, where: str) -> dict[str, Any]:
    if not image.url:
        raise Unsupported(where, "an image that is a file of the upstream's has no place here")
    inner = {"url": image.url}
    if image.detail is not None:
        inner["detail"] = image.detail
    return {"type": "image_url", "image_url": inner}


def _file(file: File, where: str) -> dict[str, Any]:
    if file.text:
        return {"type": "text", "text": file.text}
    if file.file_id:
        inner = {"file_id": file.file_id}
        return {"type": "file", "file": inner | ({"filename": file.name} if file.name else {})}
    if not file.url.startswith("data:"):
        raise Unsupported(where, "a file at a URL has no place here")
    inner = {"filename": file.name or _spare_name(file.url), "file_data": file.url}
    return {"type": "file", "file": inner}


def _spare_name(url: str) -> str:
    # Upstreams want a name beside the data.
    kind = url[len("data:") :].split(";")[0].split(",")[0]
    return f"document.{kind.partition('/')[2] or 'pdf'}"
