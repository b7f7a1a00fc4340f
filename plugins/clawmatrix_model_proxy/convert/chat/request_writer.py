"""Chat completion requests, written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.chat.message_writer import written_messages
from clawmatrix_model_proxy.neutral.effort import effort_of
from clawmatrix_model_proxy.neutral.settings import write_settings

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.request import NeutralRequest, ResponseFormat, Tool

__all__ = ["write_request"]

_IDLE = ("auto", "none")
"""Choices that clients of other APIs make without tools too, and that are an error here then."""


def write_request(request: NeutralRequest) -> dict[str, Any]:
    """Write a request for an upstream, without its model. Raises: Unsupported."""
    body: dict[str, Any] = {"messages": written_messages(request)}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.parallel is not None:
            body["parallel_tool_calls"] = request.parallel
    if request.tool_choice is not None and (request.tools or request.tool_choice.mode not in _IDLE):
        body["tool_choice"] = _tool_choice(request)
    if request.format is not None:
        body["response_format"] = _format(request.format)
    if request.stream:
        body["stream"] = True
    _write_own(request, body)
    write_settings("chat", request, body)
    return body


# --- settings


def _write_own(request: NeutralRequest, body: dict[str, Any]) -> None:
    settings = request.settings
    own = {
        "max_completion_tokens": settings.get("max_tokens"),
        "stop": settings.get("stop") or None,
        "logprobs": _logprobs(settings),
        "store": settings.get("store"),
        "service_tier": settings.get("service_tier"),
        "reasoning_effort": effort_of(settings),
        "stream_options": _stream_options(request),
    }
    body.update((name, value) for name, value in own.items() if value is not None)


def _logprobs(settings: dict[str, Any]) -> Any:
    # Here `top_logprobs` is an error without `logprobs`, even where it asks for none.
    return True if settings.get("top_logprobs") is not None else settings.get("logprobs")


def _stream_options(request: NeutralRequest) -> Any:
    if request.api == "chat":
        return request.settings.get("stream_options")
    # The other APIs end every stream with what it took.
    return {"include_usage": True} if request.stream else None


def _format(format: ResponseFormat) -> dict[str, Any]:
    if format.kind != "schema":
        return {"type": "text" if format.kind == "text" else "json_object"}
    inner = {
        "name": format.name,
        "description": format.description,
        "schema": format.schema,
        "strict": format.strict,
    }
    return {"type": "json_schema", "json_schema": _said(inner)}


# --- tools


def _tool(tool: Tool) -> dict[str, Any]:
    inner: dict[str, Any] = {"name": tool.name, "description": tool.description}
    if tool.free:
        return {"type": "custom", "custom": _said({**inner, "format": _grammar(tool)})}
    inner |= {"parameters": tool.parameters, "strict": tool.strict}
    return {"type": "function", "function": _said(inner)}


def _grammar(tool: Tool) -> dict[str, Any] | None:
    return None if tool.grammar is None else {"type": "grammar", "grammar": dict(tool.grammar)}


def _tool_choice(request: NeutralRequest) -> Any:
    choice = request.tool_choice
    assert choice is not None
    free = {tool.name for tool in request.tools if tool.free}
    named = [_named(name, name in free) for name in choice.names]
    if choice.mode == "named":
        return named[0]
    if not named:
        return choice.mode
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": named}}


def _named(name: str, free: bool) -> dict[str, Any]:
    kind = "custom" if free else "function"
    return {"type": kind, kind: {"name": name}}


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
