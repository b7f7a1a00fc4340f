"""Tools, the choice among them, and the shape of the answer, as the Responses API has them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_model_proxy.convert.responses.namespaces import joined
from clawmatrix_model_proxy.convert.responses.typed_values import (
    list_at,
    object_at,
    optional_text_at,
    text_at,
)
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.request import ResponseFormat, Tool, ToolChoice

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "read_choice",
    "read_format",
    "read_tools",
    "write_choice",
    "write_format",
    "write_tools",
]

_TOOL_FIELDS = {
    "function": frozenset({"type", "name", "description", "parameters", "strict"}),
    "custom": frozenset({"type", "name", "description", "format"}),
}
_NAMESPACE_FIELDS = frozenset({"type", "name", "description", "tools"})
_IDLE_FIELDS: dict[str, Any] = {
    "async": False,
    "defer_loading": False,
    "allowed_callers": ["direct"],
}
_FORMAT_FIELDS = frozenset({"type", "name", "description", "schema", "strict"})


def read_tools(value: Any) -> tuple[Tool, ...]:
    """Read the tools. Raises: Unsupported, for one that runs at the upstream."""
    found: list[Tool] = []
    for number, item in enumerate(list_at(value, "tools") if value is not None else ()):
        param = f"tools[{number}]"
        tool = object_at(item, param)
        grouped = tool.get("type") == "namespace"
        found += _read_namespace(tool, param) if grouped else [_read_tool(tool, param)]
    _refuse_same_names(found)
    return tuple(found)


def _refuse_same_names(tools: list[Tool]) -> None:
    """Refuse a name that is another tool's once it stands behind its namespace."""
    times = Counter(tool.name for tool in tools)
    for tool in tools:
        if tool.namespace and times[tool.name] > 1:
            raise Unsupported("tools", f"two of them would have the name {tool.name}")


def _read_namespace(tool: dict[str, Any], param: str) -> list[Tool]:
    _refuse_more(tool, _NAMESPACE_FIELDS, param)
    namespace = text_at(tool.get("name"), f"{param}.name")
    inner = list_at(tool.get("tools"), f"{param}.tools")
    found = [
        _read_tool(object_at(item, f"{param}.tools[{number}]"), f"{param}.tools[{number}]")
        for number, item in enumerate(inner)
    ]
    return [
        attrs.evolve(each, name=joined(namespace, each.name), namespace=namespace) for each in found
    ]


def _refuse_more(tool: dict[str, Any], known: frozenset[str], param: str) -> None:
    for name, value in tool.items():
        idle = value is None or _IDLE_FIELDS.get(name) == value
        if name not in known and not idle:
            raise Unsupported(f"{param}.{name}", "has no place in another API")


def _read_tool(tool: dict[str, Any], param: str) -> Tool:
    kind = text_at(tool.get("type"), f"{param}.type")
    if kind not in _TOOL_FIELDS:
        raise Unsupported(param, f"{kind} is a tool that runs at the upstream of another API")
    _refuse_more(tool, _TOOL_FIELDS[kind], param)
    name = text_at(tool.get("name"), f"{param}.name")
    description = optional_text_at(tool.get("description"), f"{param}.description")
    if kind == "custom":
        grammar = _read_grammar(tool.get("format"), f"{param}.format")
        return Tool(name, description, free=True, grammar=grammar)
    parameters, strict = tool.get("parameters"), tool.get("strict")
    if parameters is not None:
        object_at(parameters, f"{param}.parameters")
    return Tool(name, description, parameters, _boolean(strict, f"{param}.strict"))


def _boolean(value: Any, param: str) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise Unsupported(param, "must be true or false")
    return value


def _read_grammar(value: Any, param: str) -> dict[str, Any] | None:
    if value is None:
        return None
    form = object_at(value, param)
    if form.get("type") == "text":
        return None
    if form.get("type") != "grammar":
        raise Unsupported(param, "must be of the type text or grammar")
    return {name: text_at(form.get(name), f"{param}.{name}") for name in ("syntax", "definition")}


def write_tools(tools: Iterable[Tool], *, strict: bool | None) -> list[dict[str, Any]]:
    """Write the tools; ``strict`` is for those of which nothing is said."""
    return [_write_tool(tool, strict) for tool in tools]


def _write_tool(tool: Tool, strict: bool | None) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "custom" if tool.free else "function", "name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.free:
        if tool.grammar is not None:
            written["format"] = {"type": "grammar", **tool.grammar}
        return written
    written["parameters"] = tool.parameters
    written["strict"] = strict if tool.strict is None else tool.strict
    return written


def read_choice(value: Any) -> ToolChoice | None:
    """Read which tools may be asked for. Raises: Unsupported."""
    match value:
        case None:
            return None
        case "auto" | "none" | "required":
            return ToolChoice(value)
        case {"type": "function" | "custom", "name": str(name)}:
            return ToolChoice("named", (name,))
        case {"type": "allowed_tools", "mode": "auto" | "required" as mode, "tools": list(tools)}:
            return ToolChoice(mode, tuple(_allowed(tool, at) for at, tool in enumerate(tools)))
        case {"type": str(kind)}:
            raise Unsupported("tool_choice", f"{kind} is not known here, or not as it is")
    raise Unsupported("tool_choice", "is not in a form that the API has")


def _allowed(tool: Any, number: int) -> str:
    match tool:
        case {"type": "function" | "custom", "name": str(name)}:
            return name
    raise Unsupported(f"tool_choice.tools[{number}]", "is no function and no custom tool")


def write_choice(choice: ToolChoice, tools: Iterable[Tool]) -> str | dict[str, Any]:
    """Write which tools may be asked for."""
    free = {tool.name for tool in tools if tool.free}
    named = [
        {"type": "custom" if name in free else "function", "name": name} for name in choice.names
    ]
    if choice.mode == "named":
        return named[0]
    if named and choice.mode != "none":
        return {"type": "allowed_tools", "mode": choice.mode, "tools": named}
    return choice.mode


def read_format(value: Any) -> ResponseFormat | None:
    """Read the shape that the answer must have. Raises: Unsupported."""
    if value is None:
        return None
    form = object_at(value, "text.format")
    for name, inner in form.items():
        if name not in _FORMAT_FIELDS and inner is not None:
            raise Unsupported(f"text.format.{name}", "is not known here")
    match form.get("type"):
        case "text":
            return ResponseFormat("text")
        case "json_object":
            return ResponseFormat("json")
        case "json_schema":
            return ResponseFormat(
                "schema",
                object_at(form.get("schema"), "text.format.schema"),
                text_at(form.get("name"), "text.format.name"),
                optional_text_at(form.get("description"), "text.format.description"),
                _boolean(form.get("strict"), "text.format.strict"),
            )
    raise Unsupported("text.format", "must be of the type text, json_object or json_schema")


def write_format(form: ResponseFormat) -> dict[str, Any]:
    """Write the shape that the answer must have."""
    if form.kind != "schema":
        return {"type": "json_object" if form.kind == "json" else "text"}
    written: dict[str, Any] = {"type": "json_schema", "name": form.name, "schema": form.schema}
    if form.description is not None:
        written["description"] = form.description
    if form.strict is not None:
        written["strict"] = form.strict
    return written
