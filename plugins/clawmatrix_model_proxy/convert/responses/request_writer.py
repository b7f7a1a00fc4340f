"""A request, written for an upstream of the Responses API."""

from __future__ import annotations

import base64
import mimetypes
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.responses.request_reader import INCLUDED
from clawmatrix_model_proxy.convert.responses.sealed import unseal
from clawmatrix_model_proxy.convert.responses.tools import write_choice, write_format, write_tools
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.effort import effort_of
from clawmatrix_model_proxy.neutral.losses import Loss
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
from clawmatrix_model_proxy.neutral.settings import write_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clawmatrix_model_proxy.neutral.request import NeutralRequest

__all__ = ["LOSSES", "split_instructions", "write_count_request", "write_request"]

LOSSES: tuple[Loss, ...] = (
    Loss("names of participants", "messages have none there"),
    Loss("names of files at a URL, or that the upstream has", "they are told by what they are"),
    Loss("that a tool failed", "its result says so in its own words"),
    Loss(
        "thoughts that no Responses upstream sealed",
        "an upstream refuses a thought that it did not seal itself",
    ),
    Loss("that parts of an assistant's turn stood apart", "texts in a row are one message"),
    Loss("logprobs of refusals", "there is no place for them"),
    Loss("the end `pause_turn`", "the answer is incomplete, without a word for the reason"),
    Loss("the words that ended an answer", "it is completed, whatever ended it"),
    Loss("that an upstream said nothing of cached or reasoning tokens", "counts must be there"),
)
"""What is left behind on the way into this API."""

_COUNTED = frozenset(
    {
        "input",
        "instructions",
        "parallel_tool_calls",
        "reasoning",
        "text",
        "tool_choice",
        "tools",
        "truncation",
    }
)


def write_request(request: NeutralRequest) -> dict[str, Any]:
    """Write a request, without its model. Raises: Unsupported."""
    own = request.api == "responses"
    instructions, turns = split_instructions(request)
    body: dict[str, Any] = {}
    if instructions is not None:
        body["instructions"] = instructions
    body["input"] = [item for turn in turns for item in _items(turn, own=own)]
    if request.tools:
        # where nothing is said, this API is strict and the others are not
        body["tools"] = deepcopy(write_tools(request.tools, strict=None if own else False))
    if request.tool_choice is not None:
        body["tool_choice"] = write_choice(request.tool_choice, request.tools)
    if request.parallel is not None:
        body["parallel_tool_calls"] = request.parallel
    if request.format is not None:
        body["text"] = {"format": deepcopy(write_format(request.format))}
    if request.stream:
        body["stream"] = True
    write_settings("responses", request, body)
    _write_own_settings(request, body)
    return body


def write_count_request(request: NeutralRequest) -> dict[str, Any]:
    """Write the request, without its model, that asks how many tokens another would take in."""
    return {name: value for name, value in write_request(request).items() if name in _COUNTED}


def split_instructions(request: NeutralRequest) -> tuple[str | None, tuple[Turn, ...]]:
    """Return the ``instructions`` of a request, and the turns that are its input.

    A first turn of the developer's with nothing but words is what instructions are read as. One
    of the system's stays what it is.
    """
    match request.turns:
        case (Turn("developer", (Text(words),), None), *rest) if words:
            return words, tuple(rest)
    return None, request.turns


def _write_own_settings(request: NeutralRequest, body: dict[str, Any]) -> None:
    settings = request.settings
    for name, place in (("max_tokens", "max_output_tokens"), ("store", "store")):
        if settings.get(name) is not None:
            body[place] = settings[name]
    if request.api != "responses":
        body.setdefault("store", False)  # the other APIs store nothing that they are not asked to
    effort = effort_of(settings)
    if effort is not None:
        body.setdefault("reasoning", {})["effort"] = effort
    summary = settings.get("reasoning_summary")
    if summary not in (None, "none"):
        body.setdefault("reasoning", {})["summary"] = summary
    included = [word for name, word in INCLUDED.items() if _is_included(name, request, effort)]
    if included:
        body["include"] = included
    tier = settings.get("service_tier")
    if tier is not None:
        body["service_tier"] = "default" if tier == "standard_only" else tier
    options = settings.get("stream_options")
    if request.stream and isinstance(options, dict) and "include_obfuscation" in options:
        body["stream_options"] = {"include_obfuscation": options["include_obfuscation"]}


def _is_included(name: str, request: NeutralRequest, effort: str | None) -> bool:
    if request.settings.get(name):
        return True
    # Models that do not think refuse to be asked for sealed thoughts, so only where a client
    # wants thoughts; newer upstreams give them in any case.
    thinks = effort not in (None, "none") or _has_sealed(request)
    thinks = thinks or _is_thinking(request.settings.get("thinking"))
    return name == "encrypted_reasoning" and request.api != "responses" and thinks


def _is_thinking(thinking: Any) -> bool:
    return isinstance(thinking, dict) and thinking.get("type") != "disabled"


def _has_sealed(request: NeutralRequest) -> bool:
    return any(
        isinstance(part, Reasoning) and part.sealed_by == "responses"
        for turn in request.turns
        for part in turn.parts
    )


def _items(turn: Turn, *, own: bool) -> Iterable[dict[str, Any]]:
    if turn.role == "assistant":
        return _said(turn.parts, own=own)
    if turn.role == "tool":
        return (_result(part) for part in turn.parts if isinstance(part, ToolResult))
    return ({"role": turn.role, "content": _content(turn.parts)},)


def _content(parts: tuple[Part, ...]) -> str | list[dict[str, Any]]:
    match parts:
        case (Text(words),):
            return words
    return [_input_part(part) for part in parts]


def _input_part(part: Part) -> dict[str, Any]:
    match part:
        case Text(words):
            return {"type": "input_text", "text": words}
        case Image():
            given = {"image_url": part.url} if part.url else {"file_id": part.file_id}
            return {"type": "input_image", "detail": part.detail or "auto", **given}
        case File():
            return {"type": "input_file", **_file(part)}
        case Audio():
            sound = {"data": part.data, "format": part.format}
            return {"type": "input_audio", "input_audio": sound}
    raise Unsupported("messages", f"{type(part).__name__} can be said by an assistant only")


def _file(part: File) -> dict[str, Any]:
    if part.file_id:
        return {"file_id": part.file_id}
    url = part.url
    if not url:
        url = f"data:text/plain;base64,{base64.b64encode(part.text.encode()).decode()}"
    if not url.startswith("data:"):
        return {"file_url": url}
    return {"file_data": url, "filename": part.name or f"file{_ending(url)}"}


def _ending(url: str) -> str:
    kind = url.removeprefix("data:").partition(";")[0]
    return mimetypes.guess_extension(kind) or ""


def _said(parts: tuple[Part, ...], *, own: bool) -> Iterator[dict[str, Any]]:
    before: list[str] = []  # thoughts that belong to the sealed one after them
    for part in parts:
        if isinstance(part, Reasoning):
            if part.sealed_by == "responses" or own:
                yield from _thought(part, before, own=own)
                before = []
            elif not part.sealed:
                before += [*part.summary, *([part.text] if part.text else ())]
            continue
        before = []
        yield _said_part(part)


def _said_part(part: Part) -> dict[str, Any]:
    match part:
        case Text(words):
            return {"role": "assistant", "content": words}
        case Refusal(words):
            content = [{"type": "refusal", "refusal": words}]
            return {
                "type": "message",
                "id": "msg_refusal",
                "role": "assistant",
                "status": "completed",
                "content": content,
            }
        case ToolCall():
            kind, place = (
                ("custom_tool_call", "input") if part.free else ("function_call", "arguments")
            )
            return {"type": kind, "call_id": part.id, "name": part.name, place: part.arguments}
    raise Unsupported("messages", f"{type(part).__name__} cannot be said by an assistant there")


def _thought(part: Reasoning, before: list[str], *, own: bool) -> Iterator[dict[str, Any]]:
    if part.sealed and part.sealed_by != "responses":
        return
    item_id, encrypted = unseal(part.sealed) if part.sealed else ("", "")
    text = [part.text] if part.text else []
    # of the upstream's own thought the other APIs' clients saw summaries as if they were thoughts
    summary = [*before, *part.summary, *(() if own else text)]
    item: dict[str, Any] = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": words} for words in summary],
    }
    if item_id or part.id:
        item["id"] = item_id or part.id  # a made-up one would be refused
    if own and text:
        item["content"] = [{"type": "reasoning_text", "text": words} for words in text]
    if encrypted:
        item["encrypted_content"] = encrypted
    yield item


def _result(part: ToolResult) -> dict[str, Any]:
    kind = "custom_tool_call_output" if part.free else "function_call_output"
    return {"type": kind, "call_id": part.call_id, "output": _content(part.parts) or ""}
