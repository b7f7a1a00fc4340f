"""A conversation, written as the messages of a chat completion request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from clawmatrix_model_proxy.convert.codec import Unsupported
from clawmatrix_model_proxy.convert.request import (
    Audio,
    File,
    Image,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clawmatrix_model_proxy.convert.request import Part, Request

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


def written_messages(request: Request) -> list[dict[str, Any]]:
    """Write the turns of a request. Raises: Unsupported."""
    messages: list[dict[str, Any]] = []
    for where, turn in _joined(request):
        if turn.role == "assistant":
            messages.append(_assistant(turn, where))
        elif turn.role == "tool":
            messages.extend(_results(turn, where))
        else:
            messages.append(_message(turn, where))
    return messages


def tool_call(id: str, name: str, arguments: str, *, free: bool) -> dict[str, Any]:
    """Write a call of a tool. A call without arguments has an empty object of them."""
    if free:
        return {"id": id, "type": "custom", "custom": {"name": name, "input": arguments}}
    function = {"name": name, "arguments": arguments or "{}"}
    return {"id": id, "type": "function", "function": function}


def thoughts_of(parts: Iterable[Reasoning]) -> str:
    """Return the thoughts that another model may read: none that only their maker reads."""
    shown = (part for part in parts if not part.redacted and not part.sealed)
    texts = (part.text or "\n\n".join(part.summary) for part in shown)
    return "\n\n".join(text for text in texts if text)


def _joined(request: Request) -> Iterator[tuple[str, Turn]]:
    """Give the turns with their places, those of the assistant joined that are one message here.

    A message with calls is to be followed by their results, by nothing else of the assistant's.
    """
    waiting: tuple[str, Turn] | None = None
    for at, turn in enumerate(request.turns):
        where = _place(request.api, at)
        if waiting is not None and _belongs(waiting[1], turn):
            waiting = waiting[0], Turn("assistant", (*waiting[1].parts, *turn.parts), turn.name)
            continue
        if waiting is not None:
            yield waiting
        waiting = where, turn
    if waiting is not None:
        yield waiting


def _place(api: str, at: int) -> str:
    # Only a chat client's turns are counted as its messages are.
    if api == "chat":
        return f"messages[{at}]"
    return "input" if api == "responses" else "messages"


def _belongs(before: Turn, turn: Turn) -> bool:
    if before.role != "assistant" or turn.role != "assistant" or before.name != turn.name:
        return False
    return _has_calls(before) or not _says(before) or not _says(turn)


def _has_calls(turn: Turn) -> bool:
    return any(isinstance(part, ToolCall) for part in turn.parts)


def _says(turn: Turn) -> bool:
    return any(isinstance(part, Text | Refusal) for part in turn.parts)


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
        message["tool_calls"] = [
            tool_call(call.id, call.name, call.arguments, free=call.free) for call in calls
        ]
    return message


def _results(turn: Turn, where: str) -> Iterator[dict[str, Any]]:
    for result in turn.parts:
        if not isinstance(result, ToolResult):
            raise Unsupported(where, f"{_name(result)} cannot be in a message of a tool's")
        for part in result.parts:
            if not isinstance(part, Text):
                raise Unsupported(where, f"{_name(part)} cannot be in the result of a tool here")
        parts = [_text(part) for part in result.parts if isinstance(part, Text)]
        call = {"tool_call_id": result.call_id, "content": _content(parts)}
        yield _of("tool", turn) | call


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
