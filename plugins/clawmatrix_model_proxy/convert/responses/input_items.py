"""The items of a Responses request's input, read into turns.

Items that one side says in a row are one turn: a thought, words and calls of the assistant, or
the results of tools.
"""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING, Any, Literal

from clawmatrix_model_proxy.convert.responses.namespaces import joined
from clawmatrix_model_proxy.convert.responses.sealed import read_encrypted
from clawmatrix_model_proxy.convert.responses.typed_values import (
    list_at,
    object_at,
    optional_text_at,
    text_at,
)
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.losses import Loss
from clawmatrix_model_proxy.neutral.request import (
    Audio,
    File,
    Image,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from clawmatrix_model_proxy.neutral.sealed import unsealed_id

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["UNREAD", "read_input"]

UNREAD: tuple[Loss, ...] = (
    Loss("`id`, `status` and `phase` of items", "names and states that the upstream gave them"),
    Loss("annotations and logprobs of earlier answers", "the words they are about are kept"),
    Loss("`prompt_cache_breakpoint`", "a hint to the cache"),
    Loss("`stream_options` but `include_obfuscation`", "how a stream is cut, not what it says"),
    Loss(
        "namespaces of tools, and what is said of them",
        "their names stand before the tools', as `space__tool`; calls come back with both",
    ),
    Loss("`detail` of files", "how finely the upstream looks at pages"),
    Loss(
        "annotations of answers, `service_tier` and unknown fields", "nothing of the words is lost"
    ),
    Loss("reasoning items of which nothing but the id is given", "only its upstream has the rest"),
)
"""What is left behind of requests and answers, whatever the other API is."""

_ANY = frozenset({"type", "id", "status", "created_by"})
_CALL_FIELDS = _ANY | {"call_id", "name", "namespace", "arguments", "input", "output", "caller"}
_CALL_FIELDS |= {"async", "parsed_arguments"}
_FIELDS = {
    "message": _ANY | {"role", "content", "phase"},
    "reasoning": _ANY | {"summary", "content", "encrypted_content"},
}
_PART_FIELDS = frozenset({"type", "text", "annotations", "logprobs", "parsed", "refusal"}) | {
    "image_url",
    "file_id",
    "file_data",
    "file_url",
    "filename",
    "detail",
    "input_audio",
    "prompt_cache_breakpoint",
}
_JOINED: tuple[Role, ...] = ("assistant", "tool")


def read_input(value: Any) -> list[Turn]:
    """Read an input, a text or items. Raises: Unsupported."""
    if isinstance(value, str):
        return [Turn("user", (Text(value),))]
    turns: list[Turn] = []
    for number, item in enumerate(list_at(value, "input")):
        param = f"input[{number}]"
        role, parts = _read_item(object_at(item, param), param)
        if role in _JOINED and turns and turns[-1].role == role:
            turns[-1] = Turn(role, turns[-1].parts + parts)
        elif parts or role not in _JOINED:
            turns.append(Turn(role, parts))
    return turns


def _read_item(item: dict[str, Any], param: str) -> tuple[Role, tuple[Part, ...]]:
    kind = item.get("type")
    if kind is None and "role" in item:
        kind = "message"
    if kind == "item_reference" or (kind is None and "id" in item):
        words = "names an item that is not remembered: send the whole conversation instead"
        raise Unsupported(param, words)
    read = _ITEMS.get(kind) if isinstance(kind, str) else None
    if read is None or not isinstance(kind, str):
        raise Unsupported(param, f"{kind} is an item that cannot be put into another API")
    _refuse_unknown(item, _FIELDS.get(kind, _CALL_FIELDS), param)
    return read(item, param)


def _message(item: dict[str, Any], param: str) -> tuple[Role, tuple[Part, ...]]:
    role = item.get("role")
    if role not in ("user", "assistant", "system", "developer"):
        raise Unsupported(f"{param}.role", "must be user, assistant, system or developer")
    content = item.get("content")
    kinds = _SAID if role == "assistant" else _HEARD
    return role, _contents(content, f"{param}.content", kinds)


def _contents(content: Any, param: str, kinds: _Kinds) -> tuple[Any, ...]:
    if isinstance(content, str):
        return (Text(content),)
    return tuple(
        _content(object_at(part, f"{param}[{number}]"), f"{param}[{number}]", kinds)
        for number, part in enumerate(list_at(content, param))
    )


def _content(part: dict[str, Any], param: str, kinds: _Kinds) -> Part:
    kind = part.get("type")
    read = kinds.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise Unsupported(param, f"{kind} cannot be put into another API here")
    _refuse_unknown(part, _PART_FIELDS, param)
    return read(part, param)


def _text(part: dict[str, Any], param: str) -> Text:
    return Text(text_at(part.get("text"), f"{param}.text"))


def _refusal(part: dict[str, Any], param: str) -> Refusal:
    return Refusal(text_at(part.get("refusal"), f"{param}.refusal"))


def _image(part: dict[str, Any], param: str) -> Image:
    url = optional_text_at(part.get("image_url"), f"{param}.image_url") or ""
    file_id = optional_text_at(part.get("file_id"), f"{param}.file_id") or ""
    if not url and not file_id:
        raise Unsupported(param, "has neither image_url nor file_id")
    detail = optional_text_at(part.get("detail"), f"{param}.detail")
    return Image(url, file_id, None if detail in ("", "auto") else detail)


def _file(part: dict[str, Any], param: str) -> File:
    given = {
        name: optional_text_at(part.get(name), f"{param}.{name}") or ""
        for name in ("file_data", "file_url", "file_id", "filename")
    }
    name = given["filename"] or None
    url = _data_url(given["file_data"], name) if given["file_data"] else given["file_url"]
    if not url and not given["file_id"]:
        raise Unsupported(param, "has none of file_data, file_url and file_id")
    return File(url, given["file_id"], name=name)


def _data_url(data: str, name: str | None) -> str:
    if data.startswith("data:"):
        return data
    kind = mimetypes.guess_type(name or "")[0] or "application/pdf"
    return f"data:{kind};base64,{data}"


def _audio(part: dict[str, Any], param: str) -> Audio:
    sound = object_at(part.get("input_audio"), f"{param}.input_audio")
    return Audio(
        text_at(sound.get("data"), f"{param}.input_audio.data"),
        text_at(sound.get("format"), f"{param}.input_audio.format"),
    )


_Kinds = dict[str, "Callable[[dict[str, Any], str], Part]"]
_HEARD: _Kinds = {
    "input_text": _text,
    "output_text": _text,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}
_SAID: _Kinds = {"output_text": _text, "input_text": _text, "refusal": _refusal}
_RESULTS: _Kinds = {"input_text": _text, "input_image": _image, "input_file": _file}


def _call(item: dict[str, Any], param: str) -> tuple[Role, tuple[Part, ...]]:
    free = item["type"] == "custom_tool_call"
    _refuse_caller(item, param)
    arguments = "input" if free else "arguments"
    namespace = optional_text_at(item.get("namespace"), f"{param}.namespace") or ""
    call_id, sealed, sealer = unsealed_id(text_at(item.get("call_id"), f"{param}.call_id"))
    call = ToolCall(
        call_id,
        joined(namespace, text_at(item.get("name"), f"{param}.name")),
        text_at(item.get(arguments), f"{param}.{arguments}"),
        free=free,
        sealed=sealed,
        sealed_by=sealer,
    )
    return "assistant", (call,)


def _result(item: dict[str, Any], param: str) -> tuple[Role, tuple[Part, ...]]:
    _refuse_caller(item, param)
    call_id, _, _ = unsealed_id(text_at(item.get("call_id"), f"{param}.call_id"))
    parts = _contents(item.get("output"), f"{param}.output", _RESULTS)
    parts = parts or (Text(""),)
    return "tool", (ToolResult(call_id, parts, free=item["type"] == "custom_tool_call_output"),)


def _refuse_caller(item: dict[str, Any], param: str) -> None:
    """Refuse a call that is not the model's own, or whose result it does not wait for."""
    if item.get("caller") not in (None, {"type": "direct"}):
        raise Unsupported(f"{param}.caller", "has no place in another API")
    if item.get("async"):
        raise Unsupported(f"{param}.async", "has no place in another API")


def _refuse_unknown(item: dict[str, Any], known: frozenset[str], param: str) -> None:
    """Refuse what an item says beside what is known."""
    for name in item.keys() - known:
        if item[name] not in (None, [], {}):
            raise Unsupported(f"{param}.{name}", "is not known here, so it cannot be converted")


def _reasoning(item: dict[str, Any], param: str) -> tuple[Role, tuple[Part, ...]]:
    item_id = optional_text_at(item.get("id"), f"{param}.id") or ""
    summary = _thoughts(item.get("summary"), f"{param}.summary", "summary_text")
    thoughts = _thoughts(item.get("content"), f"{param}.content", "reasoning_text")
    kept = optional_text_at(item.get("encrypted_content"), f"{param}.encrypted_content")
    if not (summary or thoughts or kept):
        return "assistant", ()
    sealed, sealed_by, redacted = read_encrypted(item_id, kept) if kept else ("", "", False)
    text = "\n\n".join(thoughts)
    return "assistant", (
        Reasoning(text, tuple(summary), sealed, sealed_by, redacted=redacted, id=item_id),
    )


def _thoughts(value: Any, param: str, kind: Literal["summary_text", "reasoning_text"]) -> list[str]:
    found: list[str] = []
    for number, part in enumerate(list_at(value, param) if value is not None else ()):
        place = f"{param}[{number}]"
        if object_at(part, place).get("type") != kind:
            raise Unsupported(place, f"must be of the type {kind}")
        found.append(text_at(part.get("text"), f"{place}.text"))
    return found


_ITEMS: dict[str, Callable[[dict[str, Any], str], tuple[Role, tuple[Part, ...]]]] = {
    "message": _message,
    "function_call": _call,
    "custom_tool_call": _call,
    "function_call_output": _result,
    "custom_tool_call_output": _result,
    "reasoning": _reasoning,
}
