"""Reads a request of the Messages API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.convert.messages.parts import READERS
from clawmatrix_model_proxy.convert.messages.settings import read_own
from clawmatrix_model_proxy.convert.messages.tools import read_choice, read_tools
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.fields import Fields
from clawmatrix_model_proxy.neutral.request import (
    NeutralRequest,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from clawmatrix_model_proxy.neutral.sealed import unmark, unsealed_id
from clawmatrix_model_proxy.neutral.settings import read_settings, refuse_rest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clawmatrix_model_proxy.neutral.request import Part, Role

__all__ = ["read_request"]

_encode = msgspec.json.Encoder().encode


def read_request(body: dict[str, Any]) -> NeutralRequest:
    """Read a client's request. Raises: Unsupported."""
    fields = Fields(body, "")
    fields.ignore("model")
    own, format = read_own(fields)
    system, messages = fields.left.pop("system", None), fields.take("messages", list)
    choice, parallel = read_choice(fields.take("tool_choice", dict))
    request = NeutralRequest(
        "messages",
        (*_system(system), *_turns(messages or [])),
        read_tools(fields.take("tools", list) or []),
        choice,
        parallel,
        format,
        fields.take("stream", bool) or False,
        {**_moved(fields.left), **own},
    )
    refuse_rest(fields.left)
    return request


def _moved(body: dict[str, Any]) -> dict[str, Any]:
    if isinstance(body.get("metadata"), dict):
        body["metadata"] = dict(body["metadata"])  # the user is taken out of it
    return read_settings("messages", body)


def _system(value: Any) -> Iterator[Turn]:
    if parts := _words(value, "system"):
        yield Turn("system", parts)


def _turns(messages: list[Any]) -> Iterator[Turn]:
    for at, message in enumerate(messages):
        fields = Fields(message, f"messages[{at}]")
        role, content = fields.take("role", str), fields.left.pop("content", None)
        fields.end()
        where = fields.at("content")
        match role:
            case "user":
                yield from _user(content, where)
            case "assistant":
                yield Turn("assistant", tuple(_parts(content, where, _ASSISTANT)))
            case "system":
                yield Turn("system", _words(content, where))
            case _:
                raise Unsupported(fields.at("role"), f"{role!r} is not known here")


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
    elif not isinstance(content, list | None):
        raise Unsupported(where, "must be a string or a list")
    for at, block in enumerate(content or ()):
        fields = Fields(block, f"{where}[{at}]")
        kind = fields.left.pop("type", None)
        read = readers.get(kind) if isinstance(kind, str) else None
        if read is None:
            raise Unsupported(fields.where, f"{kind!r} cannot be put into another API")
        part = read(fields)
        if part != Text(""):
            yield part


# --- blocks


def _text(block: Fields) -> Text:
    words = block.need("text", str)
    block.ignore("cache_control", "citations")
    block.end()
    return Text(words)


def _thinking(block: Fields) -> Reasoning:
    thought = block.need("thinking", str)
    sealed, maker = unmark(block.take("signature", str) or "", "messages")
    block.end()
    if maker == "responses":
        # What that API shows of thoughts that it seals is a summary of them.
        return Reasoning("", (thought,) if thought else (), sealed, maker)
    return Reasoning(thought, (), sealed, maker)


def _redacted(block: Fields) -> Reasoning:
    sealed, maker = unmark(block.need("data", str), "messages")
    block.end()
    return Reasoning("", (), sealed, maker, redacted=True)


def _tool_use(block: Fields) -> ToolCall:
    if block.left.pop("caller", None) not in (None, {"type": "direct"}):
        raise Unsupported(block.at("caller"), "a call by another tool cannot be put elsewhere")
    call_id, name = block.need("id", str), block.need("name", str)
    arguments = _encode(block.need("input", dict)).decode()
    block.ignore("cache_control")
    block.end()
    call_id, sealed, sealer = unsealed_id(call_id)
    return ToolCall(call_id, name, arguments, sealed=sealed, sealed_by=sealer)


def _tool_result(block: Fields) -> ToolResult:
    call_id, failed = block.need("tool_use_id", str), block.take("is_error", bool)
    parts = _parts(block.left.pop("content", None), block.at("content"), _IN_RESULT)
    block.ignore("cache_control")
    block.end()
    call_id, _, _ = unsealed_id(call_id)
    return ToolResult(call_id, tuple(parts), failed)  # type: ignore[arg-type]  # of _IN_RESULT


if TYPE_CHECKING:
    _Readers = dict[str, Callable[[Fields], Part]]

_IN_RESULT: _Readers = {"text": _text, **READERS}
_USER: _Readers = {**_IN_RESULT, "tool_result": _tool_result}
_ASSISTANT: _Readers = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
}
