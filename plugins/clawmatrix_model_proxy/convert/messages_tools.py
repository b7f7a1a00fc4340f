"""Tools, and which of them may be asked for, as the Messages API has them, both ways."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.codec import Unsupported
from clawmatrix_model_proxy.convert.messages_shapes import flag, known, listed, mapping, text
from clawmatrix_model_proxy.convert.request import Tool, ToolChoice

if TYPE_CHECKING:
    from clawmatrix_model_proxy.convert.request import Request

__all__ = ["read_choice", "read_tools", "write_choice", "write_tools"]

_TOOL = frozenset(
    {"type", "name", "description", "input_schema", "strict"}
    | {"cache_control", "eager_input_streaming"}  # hints, which are dropped
)
_EMPTY: dict[str, Any] = {"type": "object", "properties": {}}


def read_tools(value: Any) -> tuple[Tool, ...]:
    """Read ``tools``. Raises: Unsupported."""
    return tuple(
        _read_tool(mapping(tool, f"tools[{at}]"), f"tools[{at}]")
        for at, tool in enumerate(listed(value, "tools"))
    )


def _read_tool(tool: dict[str, Any], where: str) -> Tool:
    kind = tool.get("type")
    if kind not in (None, "custom"):
        raise Unsupported(where, f"the tool {kind!r} is one of Messages upstreams only")
    idle = {"defer_loading": False, "allowed_callers": ["direct"], "input_examples": []}
    rest = {name: value for name, value in tool.items() if idle.get(name, idle) != value}
    known(rest, where, _TOOL)
    described, schema = tool.get("description"), tool.get("input_schema")
    return Tool(
        text(tool.get("name"), f"{where}.name"),
        None if described is None else text(described, f"{where}.description"),
        None if schema is None else deepcopy(mapping(schema, f"{where}.input_schema")),
        flag(tool.get("strict"), f"{where}.strict"),
    )


def read_choice(value: Any) -> tuple[ToolChoice | None, bool | None]:
    """Read ``tool_choice``: which tools, and whether several at once. Raises: Unsupported."""
    if value is None:
        return None, None
    choice = mapping(value, "tool_choice")
    known(choice, "tool_choice", ("type", "name", "disable_parallel_tool_use"))
    kind = text(choice.get("type"), "tool_choice.type")
    one = flag(choice.get("disable_parallel_tool_use"), "tool_choice.disable_parallel_tool_use")
    parallel = None if one is None else not one
    match kind:
        case "auto":
            return ToolChoice("auto"), parallel
        case "any":
            return ToolChoice("required"), parallel
        case "none":
            return ToolChoice("none"), parallel
        case "tool":
            name = text(choice.get("name"), "tool_choice.name")
            return ToolChoice("named", (name,)), parallel
    raise Unsupported("tool_choice.type", f"{kind!r} is no choice of tools")


def write_tools(tools: tuple[Tool, ...]) -> list[dict[str, Any]]:
    """Write ``tools``. Raises: Unsupported."""
    return [_write_tool(tool, f"tools[{at}]") for at, tool in enumerate(tools)]


def _write_tool(tool: Tool, where: str) -> dict[str, Any]:
    if tool.free:
        raise Unsupported(where, f"the tool {tool.name!r} takes text; in Messages all take JSON")
    body: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        body["description"] = tool.description
    body["input_schema"] = _schema(tool.parameters)
    if tool.strict is not None:
        body["strict"] = tool.strict
    return body


def _schema(parameters: dict[str, Any] | None) -> dict[str, Any]:
    # The API wants one, and wants it to say that it is of an object.
    if not parameters:
        return dict(_EMPTY)
    return {"type": "object", **deepcopy(parameters)}


def write_choice(request: Request) -> dict[str, Any] | None:
    """Write ``tool_choice``; None for the API's own default. Raises: Unsupported."""
    choice, parallel = request.tool_choice, request.parallel
    if not request.tools:
        if choice is not None and choice.mode in ("required", "named"):
            raise Unsupported("tool_choice", "there are no tools to choose from")
        return None
    if choice is None:
        return None if parallel is not False else _said("auto", parallel)
    match choice.mode, choice.names:
        case "none", _:
            return {"type": "none"}
        case "auto", ():
            return _said("auto", parallel)
        case "required", ():
            return _said("any", parallel)
        case "required" | "named", (name,):
            return _said("tool", parallel, name)
    raise Unsupported("tool_choice", "a choice of some tools has no place in Messages")


def _said(kind: str, parallel: bool | None, name: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"type": kind}
    if name is not None:
        body["name"] = name
    if parallel is not None:
        body["disable_parallel_tool_use"] = not parallel
    return body
