"""Chat completion requests, read."""

from __future__ import annotations

from typing import Any

from clawmatrix_model_proxy.convert.chat.message_reader import read_messages
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.fields import Fields
from clawmatrix_model_proxy.neutral.request import (
    NeutralRequest,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from clawmatrix_model_proxy.neutral.settings import read_settings, refuse_rest

__all__ = ["read_request"]

_OLD = {"functions": "tools", "function_call": "tool_choice"}
"""Fields of an older API, and what stands in their place."""


def read_request(body: dict[str, Any]) -> NeutralRequest:
    """Read a client's request. Raises: Unsupported."""
    fields = Fields(body, "")
    fields.ignore("model")
    for old, new in _OLD.items():
        if fields.left.get(old):
            raise Unsupported(old, f"is of an older API; use {new}")
    request = NeutralRequest(
        "chat",
        read_messages(fields.need("messages", list)),
        _tools(fields),
        _tool_choice(fields),
        fields.take("parallel_tool_calls", bool),
        _format(fields),
        fields.take("stream", bool) or False,
        _settings(fields),
    )
    fields.ignore(*_OLD)
    refuse_rest(fields.left)
    return request


# --- settings


def _settings(fields: Fields) -> dict[str, Any]:
    own = {
        "max_tokens": _limit(fields),
        "stop": _stop(fields),
        "logprobs": fields.take("logprobs", bool),
        "store": fields.take("store", bool),
        "service_tier": fields.take("service_tier", str),
        "effort": fields.take("reasoning_effort", str),
        "stream_options": fields.take("stream_options", dict),
    }
    settings = read_settings("chat", fields.left)
    if settings.get("n") not in (None, 1):
        raise Unsupported("n", "only one answer at a time can be converted")
    return settings | {name: value for name, value in own.items() if value is not None}


def _limit(fields: Fields) -> int | None:
    limit, old = fields.take("max_completion_tokens", int), fields.take("max_tokens", int)
    if None not in (limit, old) and limit != old:
        raise Unsupported("max_tokens", "max_completion_tokens says otherwise")
    return old if limit is None else limit


def _stop(fields: Fields) -> list[str] | None:
    stop = fields.left.pop("stop", None)
    words = [stop] if isinstance(stop, str) else stop
    if words is None:
        return None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Unsupported("stop", "must be a string or a list of strings")
    return list(words)


def _format(fields: Fields) -> ResponseFormat | None:
    if fields.left.get("response_format") is None:
        return None
    format = fields.within("response_format")
    kind = format.need("type", str)
    if kind in ("text", "json_object"):
        read = ResponseFormat("text" if kind == "text" else "json")
    elif kind == "json_schema":
        inner = format.within("json_schema")
        read = ResponseFormat(
            "schema",
            inner.take("schema", dict),
            inner.need("name", str),
            inner.take("description", str),
            inner.take("strict", bool),
        )
        inner.end()
    else:
        raise Unsupported(format.at("type"), f"no format {kind!r} is known")
    format.end()
    return read


# --- tools


def _tools(fields: Fields) -> tuple[Tool, ...]:
    tools = fields.take("tools", list) or ()
    return tuple(_tool(Fields(tool, f"tools[{at}]")) for at, tool in enumerate(tools))


def _tool(fields: Fields) -> Tool:
    kind = fields.need("type", str)
    if kind not in ("function", "custom"):
        raise Unsupported(fields.at("type"), f"a tool of the type {kind!r} cannot be converted")
    inner = fields.within(kind)
    name, about = inner.need("name", str), inner.take("description", str)
    if kind == "function":
        schema, strict = inner.take("parameters", dict), inner.take("strict", bool)
        tool = Tool(name, about, schema, strict)
    else:
        tool = Tool(name, about, free=True, grammar=_grammar(inner))
    inner.end()
    fields.ignore("cache_control")
    fields.end()
    return tool


def _grammar(fields: Fields) -> dict[str, Any] | None:
    if fields.left.get("format") is None:
        return None
    format = fields.within("format")
    kind = format.need("type", str)
    if kind not in ("text", "grammar"):
        raise Unsupported(format.at("type"), f"no format {kind!r} of a tool is known")
    grammar = None
    if kind == "grammar":
        inner = format.within("grammar")
        grammar = {name: inner.need(name, str) for name in ("syntax", "definition")}
        inner.end()
    format.end()
    return grammar


def _tool_choice(fields: Fields) -> ToolChoice | None:
    choice = fields.left.get("tool_choice")
    if choice is None or isinstance(choice, str):
        fields.ignore("tool_choice")
        return None if choice is None else _plain_choice(choice)
    choice = fields.within("tool_choice")
    kind = choice.need("type", str)
    if kind in ("function", "custom"):
        read = ToolChoice("named", (_named(choice, kind),))
    elif kind == "allowed_tools":
        read = _allowed(choice.within(kind))
    else:
        raise Unsupported(choice.at("type"), f"no choice {kind!r} is known")
    choice.end()
    return read


def _plain_choice(choice: str) -> ToolChoice:
    match choice:
        case "auto" | "none" | "required":
            return ToolChoice(choice)
    raise Unsupported("tool_choice", f"no choice {choice!r} is known")


def _allowed(fields: Fields) -> ToolChoice:
    mode = fields.need("mode", str)
    names = []
    for at, tool in enumerate(fields.need("tools", list)):
        one = Fields(tool, fields.at(f"tools[{at}]"))
        names.append(_named(one, one.need("type", str)))
        one.end()
    fields.end()
    match mode:
        case "auto" | "required":
            return ToolChoice(mode, tuple(names))
    raise Unsupported(fields.at("mode"), f"no mode {mode!r} is known")


def _named(fields: Fields, kind: str) -> str:
    inner = fields.within(kind)
    name = inner.need("name", str)
    inner.end()
    return name
