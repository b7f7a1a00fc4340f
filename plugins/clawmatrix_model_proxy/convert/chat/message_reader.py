"""The messages of a chat completion request, read."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.convert.chat.call_seals import client_seal, is_of_text
from clawmatrix_model_proxy.convert.chat.message_seals import thoughts_kept
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.fields import Fields
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
from clawmatrix_model_proxy.neutral.sealed import unsealed_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clawmatrix_model_proxy.neutral.request import Role

    Readers = dict[str, Callable[[Fields], Part]]

__all__ = ["read_arguments", "read_messages", "reasoning_of"]

_encode = msgspec.json.Encoder().encode
_CACHE_HINTS = ("cache_control", "prompt_cache_breakpoint")
_OF_ANSWERS = (
    "annotations",
    "reasoning_details",
    "parsed",
    "audio",
    "function_call",
)
"""Fields of an answer that clients repeat with it; the last two only where they are null."""


def read_messages(messages: list[Any]) -> tuple[Turn, ...]:
    """Read a conversation, a turn for each message. Raises: Unsupported."""
    if not messages:
        raise Unsupported("messages", "there is none")
    calls = _Calls()
    return tuple(
        _turn(Fields(message, f"messages[{at}]"), calls, at) for at, message in enumerate(messages)
    )


def read_arguments(value: Any, where: str, fail: Callable[[str, str], Exception]) -> str:
    """Read a call's arguments; some servers give the object itself."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if not isinstance(value, dict):
        raise fail(where, "must be a string")
    return _encode(value).decode()


def reasoning_of(fields: Fields) -> str:
    """Take the thoughts of a message or a delta, in the spellings that servers have."""
    content = fields.take("reasoning_content", str)
    return content or fields.take("reasoning", str) or ""


class _Calls:
    """The calls made so far, for the results that follow them.

    Clients of lenient servers leave ids out; a result without one is that of the first call
    which has none yet.
    """

    def __init__(self) -> None:
        self._free: dict[str, bool] = {}
        self._open: dict[str, None] = {}  # an ordered set

    def made(self, call: ToolCall) -> ToolCall:
        self._free[call.id] = call.free
        self._open[call.id] = None
        return call

    def result(self, id: str | None, where: str) -> tuple[str, bool]:
        if not id:
            if not self._open:
                raise Unsupported(where, "is missing")
            id = next(iter(self._open))
        id, _, _ = unsealed_id(id)
        self._open.pop(id, None)
        return id, self._free.get(id, False)


def _turn(fields: Fields, calls: _Calls, at: int) -> Turn:
    role = fields.need("role", str)
    name = fields.take("name", str)
    if role in ("system", "developer"):
        turn = Turn(_role(role), tuple(_parts(fields, _WORDS)), name)
    elif role == "user":
        turn = Turn("user", tuple(_parts(fields, _SHOWN)), name)
    elif role == "assistant":
        turn = Turn("assistant", tuple(_assistant(fields, calls, at)), name)
    elif role == "tool":
        turn = Turn("tool", (_result(fields, calls),), name)
    elif role == "function":
        message = "the role `function` is of an older API; use tools"
        raise Unsupported(fields.at("role"), message)
    else:
        raise Unsupported(fields.at("role"), f"no role {role!r} is known")
    fields.ignore(*_CACHE_HINTS)
    fields.end()
    return turn


def _role(role: str) -> Role:
    return "system" if role == "system" else "developer"


def _result(fields: Fields, calls: _Calls) -> ToolResult:
    id, free = calls.result(fields.take("tool_call_id", str), fields.at("tool_call_id"))
    parts = [part for part in _parts(fields, _WORDS) if isinstance(part, Text)]
    return ToolResult(id, tuple(parts), free=free)


def _assistant(fields: Fields, calls: _Calls, at: int) -> Iterator[Part]:
    if fields.left.get("audio"):
        raise Unsupported(fields.at("audio"), "audio of an earlier answer is not converted")
    if fields.left.get("function_call"):
        raise Unsupported(fields.at("function_call"), "is of an older API; use tool_calls")
    kept, of_text = thoughts_kept(fields.left.get("extra_content")), is_of_text(fields)
    thoughts, seal = reasoning_of(fields), client_seal(fields)
    sealed = seal is not None and seal[1] != "chat"
    if kept:
        yield from kept
    elif seal is not None and sealed and not of_text:
        yield Reasoning(thoughts, (), *seal)
    elif thoughts:
        yield Reasoning(thoughts)
    yield from _parts(fields, _SAID)
    if seal is not None and sealed and of_text:
        yield Reasoning("", (), *seal, redacted=True)
    refusal = fields.take("refusal", str)
    if refusal:
        yield Refusal(refusal)
    for number, call in enumerate(fields.take("tool_calls", list) or ()):
        where = fields.at(f"tool_calls[{number}]")
        yield calls.made(_call(Fields(call, where), f"call_{at}_{number}"))
    fields.ignore(*_OF_ANSWERS)


def _call(fields: Fields, spare_id: str) -> ToolCall:
    id, sealed, sealer = unsealed_id(fields.take("id", str) or spare_id)
    seal = client_seal(fields) or (sealed, sealer)
    kind = fields.take("type", str) or "function"
    fields.ignore("index")
    if kind == "custom":
        inner = fields.within("custom")
        words = inner.take("input", str) or ""
        call = ToolCall(id, inner.need("name", str), words, True, *seal)
    elif kind == "function":
        inner = fields.within("function")
        arguments = inner.left.pop("arguments", None)
        read = read_arguments(arguments, inner.at("arguments"), Unsupported)
        call = ToolCall(id, inner.need("name", str), read, False, *seal)
        inner.ignore("parsed_arguments")
    else:
        raise Unsupported(fields.at("type"), f"no call of the type {kind!r} is known")
    inner.end()
    fields.end()
    return call


# --- parts


def _parts(fields: Fields, readers: Readers) -> list[Part]:
    return _content(fields.left.pop("content", None), fields.at("content"), readers)


def _content(content: Any, where: str, readers: Readers) -> list[Part]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, list):
        raise Unsupported(where, "must be a string or a list of parts")
    return [_part(part, f"{where}[{number}]", readers) for number, part in enumerate(content)]


def _part(value: Any, where: str, readers: Readers) -> Part:
    if isinstance(value, str):
        return Text(value)
    fields = Fields(value, where)
    kind = fields.need("type", str)
    read = readers.get(kind)
    if read is None:
        raise Unsupported(where, f"a part of the type {kind!r} cannot be converted here")
    part = read(fields)
    fields.ignore(*_CACHE_HINTS)
    fields.end()
    return part


def _text(fields: Fields) -> Text:
    fields.ignore("annotations")
    return Text(fields.need("text", str))


def _refusal(fields: Fields) -> Refusal:
    return Refusal(fields.need("refusal", str))


def _image(fields: Fields) -> Image:
    if isinstance(fields.left.get("image_url"), str):
        return Image(fields.need("image_url", str))
    inner = fields.within("image_url")
    image = Image(inner.need("url", str), detail=inner.take("detail", str))
    inner.end()
    return image


def _audio(fields: Fields) -> Audio:
    inner = fields.within("input_audio")
    audio = Audio(inner.need("data", str), inner.need("format", str))
    inner.end()
    return audio


def _file(fields: Fields) -> File:
    inner = fields.within("file")
    name, id = inner.take("filename", str), inner.take("file_id", str)
    data = inner.take("file_data", str)
    if (data is None) == (id is None):
        raise Unsupported(inner.where, "must have one of file_data and file_id")
    inner.end()
    return File(_data_url(data, name) if data else "", id or "", name=name)


def _data_url(data: str, name: str | None) -> str:
    if data.startswith(("data:", "http://", "https://")):
        return data
    # Base64 alone; the documents that the API is known to take are PDF.
    kind = mimetypes.guess_type(name or "")[0] or "application/pdf"
    return f"data:{kind};base64,{data}"


def _thinking(fields: Fields) -> Reasoning:
    """Read the part in which one vendor's models put their thoughts."""
    fields.ignore("closed")
    parts = _content(fields.left.pop("thinking", None), fields.at("thinking"), _WORDS)
    return Reasoning("".join(part.text for part in parts if isinstance(part, Text)))


_WORDS: Readers = {"text": _text}
_SHOWN = {**_WORDS, "image_url": _image, "input_audio": _audio, "file": _file}
_SAID = {**_WORDS, "refusal": _refusal, "thinking": _thinking}
