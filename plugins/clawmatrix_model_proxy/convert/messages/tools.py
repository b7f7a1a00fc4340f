"""Tools, and which of them may be asked for, as the Messages API has them, both ways."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Literal

from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.fields import Fields
from clawmatrix_model_proxy.neutral.request import Tool, ToolChoice

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.request import NeutralRequest

__all__ = ["read_choice", "read_tools", "write_choice", "write_tools"]

_HINTS = ("cache_control", "eager_input_streaming")
_IDLE: dict[str, Any] = {"defer_loading": False, "allowed_callers": ["direct"]}
_MODES: dict[str, Literal["auto", "required", "none", "named"]] = {
    "auto": "auto",
    "any": "required",
    "none": "none",
    "tool": "named",
}
_EMPTY: dict[str, Any] = {"type": "object", "properties": {}}


def read_tools(tools: list[Any]) -> tuple[Tool, ...]:
    """Read ``tools``. Raises: Unsupported."""
    return tuple(_read_tool(Fields(tool, f"tools[{at}]")) for at, tool in enumerate(tools))


def _read_tool(tool: Fields) -> Tool:
    kind = tool.take("type", str)
    if kind not in (None, "custom"):
        raise Unsupported(tool.where, f"the tool {kind!r} is one of Messages upstreams only")
    name, description = tool.need("name", str), tool.take("description", str)
    schema, strict = tool.take("input_schema", dict), tool.take("strict", bool)
    tool.ignore(*_HINTS)
    tool.ignore(*(name for name, idle in _IDLE.items() if tool.left.get(name) == idle))
    tool.end()
    return Tool(name, description, schema, strict)


def read_choice(choice: dict[str, Any] | None) -> tuple[ToolChoice | None, bool | None]:
    """Read ``tool_choice``: which tools, and whether several at once. Raises: Unsupported."""
    if choice is None:
        return None, None
    fields = Fields(choice, "tool_choice")
    kind, one = fields.need("type", str), fields.take("disable_parallel_tool_use", bool)
    names = (fields.need("name", str),) if kind == "tool" else ()
    fields.end()
    mode = _MODES.get(kind)
    if mode is None:
        raise Unsupported("tool_choice.type", f"{kind!r} is no choice of tools")
    return ToolChoice(mode, names), None if one is None else not one


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


def write_choice(request: NeutralRequest) -> dict[str, Any] | None:
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
