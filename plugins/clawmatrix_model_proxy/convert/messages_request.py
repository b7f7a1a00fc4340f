"""Reads a request of the Messages API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.convert.codec import Unsupported
from clawmatrix_model_proxy.convert.messages_parts import READERS
from clawmatrix_model_proxy.convert.messages_settings import read_format, read_own
from clawmatrix_model_proxy.convert.messages_shapes import flag, known, listed, mapping, text
from clawmatrix_model_proxy.convert.messages_tools import read_choice, read_tools
from clawmatrix_model_proxy.convert.request import (
    Reasoning,
    Request,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from clawmatrix_model_proxy.convert.sealed import unmark
from clawmatrix_model_proxy.convert.settings import read_settings, refuse_rest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clawmatrix_model_proxy.convert.request import File, Image, Part, Role

__all__ = ["read_request"]

_READ = frozenset({"model", "messages", "system", "tools", "tool_choice", "stream"})
_NESTED = ("metadata", "output_config")
_TEXT = ("type", "text", "cache_control", "citations")
_USE = ("type", "id", "name", "input", "cache_control", "caller")
_RESULT = ("type", "tool_use_id", "content", "is_error", "cache_control")
_encode = msgspec.json.Encoder().encode


def read_request(body: dict[str, Any]) -> Request:
    """Read a client's request. Raises: Unsupported."""
    rest = dict(body)
    for name in _NESTED:
        if isinstance(rest.get(name), dict):
            rest[name] = dict(rest[name])  # read out of below
    own, format = read_own(rest), read_format(rest)
    moved = read_settings("messages", rest)
    refuse_rest(rest, _READ)
    choice, parallel = read_choice(body.get("tool_choice"))
    return Request(
        "messages",
        (*_system(body.get("system")), *_turns(body.get("messages"))),
        read_tools(body.get("tools")),
        choice,
        parallel,
        format,
        flag(body.get("stream"), "stream") or False,
        {**moved, **own},
    )


def _system(value: Any) -> Iterator[Turn]:
    if parts := _words(value, "system"):
        yield Turn("system", parts)


def _turns(value: Any) -> Iterator[Turn]:
    for at, message in enumerate(listed(value, "messages")):
        where = f"messages[{at}]"
        known(mapping(message, where), where, ("role", "content"))
        content, where_content = message.get("content"), f"{where}.content"
        match message.get("role"):
            case "user":
                yield from _user(content, where_content)
            case "assistant":
                yield Turn("assistant", tuple(_parts(content, where_content, _ASSISTANT)))
            case "system":
                yield Turn("system", _words(content, where_content))
            case role:
                raise Unsupported(f"{where}.role", f"{role!r} is not known here")


def _words(content: Any, where: str) -> tuple[Part, ...]:
    return tuple(_parts(content, where, {"text": _text}))


def _user(content: Any, where: str) -> Iterator[Turn]:
    parts = tuple(_parts(content, where, _USER))
    results = tuple(part for part in parts if isinstance(part, ToolResult))
    said = tuple(part for part in parts if not isinstance(part, ToolResult))
    sides: tuple[tuple[Role, tuple[Part, ...]], ...] = (("tool", results), ("user", said))
    for role, theirs in sides:
        if theirs or (role == "user" and not results):
            yield Turn(role, theirs)


def _parts(content: Any, where: str, readers: _Readers) -> Iterator[Part]:
    """Read content; what is empty and a text is left out, as the API itself refuses it."""
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    for at, block in enumerate(listed(content, where)):
        here = f"{where}[{at}]"
        kind = mapping(block, here).get("type")
        read = readers.get(kind) if isinstance(kind, str) else None
        if read is None:
            raise Unsupported(here, f"{kind!r} cannot be put into another API")
        part = read(block, here)
        if part != Text(""):
            yield part


# --- blocks


def _text(block: dict[str, Any], where: str) -> Text:
    known(block, where, _TEXT)
    return Text(text(block.get("text"), f"{where}.text"))


def _thinking(block: dict[str, Any], where: str) -> Reasoning:
    known(block, where, ("type", "thinking", "signature"))
    thought = text(block.get("thinking"), f"{where}.thinking")
    sealed, maker = unmark(text(block.get("signature") or "", f"{where}.signature"), "messages")
    if maker == "responses":
        # What that API shows of thoughts that it seals is a summary of them.
        return Reasoning("", (thought,) if thought else (), sealed, maker)
    return Reasoning(thought, (), sealed, maker)


def _redacted(block: dict[str, Any], where: str) -> Reasoning:
    known(block, where, ("type", "data"))
    sealed, maker = unmark(text(block.get("data"), f"{where}.data"), "messages")
    return Reasoning("", (), sealed, maker, redacted=True)


def _tool_use(block: dict[str, Any], where: str) -> ToolCall:
    known(block, where, _USE)
    if block.get("caller") not in (None, {"type": "direct"}):
        raise Unsupported(f"{where}.caller", "a call by another tool cannot be put elsewhere")
    arguments = mapping(block.get("input"), f"{where}.input")
    call_id = text(block.get("id"), f"{where}.id")
    name = text(block.get("name"), f"{where}.name")
    return ToolCall(call_id, name, _encode(arguments).decode())


def _tool_result(block: dict[str, Any], where: str) -> ToolResult:
    known(block, where, _RESULT)
    parts = _parts(block.get("content"), f"{where}.content", _IN_RESULT)
    return ToolResult(
        text(block.get("tool_use_id"), f"{where}.tool_use_id"),
        tuple(parts),  # type: ignore[arg-type]  # the readers give nothing else
        flag(block.get("is_error"), f"{where}.is_error"),
    )


if TYPE_CHECKING:
    _Readers = dict[str, Callable[[dict[str, Any], str], Part]]
    _ResultPart = Text | Image | File

_IN_RESULT: _Readers = {"text": _text, **READERS}
_USER: _Readers = {**_IN_RESULT, "tool_result": _tool_result}
_ASSISTANT: _Readers = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
}
