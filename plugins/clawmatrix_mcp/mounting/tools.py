"""The tools of a server as tools of this node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clawmatrix_mcp.mounting.contents import CAPABILITIES, MODERN
from clawmatrix_mcp.mounting.relayed_progress import relayed
from clawmatrix_tool_proxy.api import Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core import JSON
    from clawmatrix_mcp.mounting.definitions import Definition
    from clawmatrix_mcp.mounting.mounted import Mounted
    from clawmatrix_tool_proxy.api import Arguments, ToolCall

__all__ = ["tool_of"]

_PASSED: Final = ("inputResponses", "requestState")
"""What of a caller's protocol goes to the server beside the arguments."""
_ASKS: Final = "elicitation"
"""What a server may ask of a caller; sampling and roots are not passed on."""


def tool_of(mounted: Mounted, definition: Definition, most: Callable[[], int]) -> Tool:
    """Return a tool of a server as one of this node.

    Args:
        mounted: the server.
        definition: the tool.
        most: returns how many bytes a result may have.
    """

    async def run(call: ToolCall, arguments: Arguments) -> JSON:
        meta = call.meta.get("mcp")
        params: dict[str, JSON] = {"name": definition.tool, "arguments": dict(arguments)}
        if isinstance(meta, dict):
            params |= _passed(meta)
        if isinstance(meta, dict) and meta.get("progress") is not True:
            return _fitting(await mounted.request("tools/call", params), most())
        async with relayed(call) as progress:
            result = await mounted.request("tools/call", params, progress=progress)
        return _fitting(result, most())

    return Tool(
        definition.name,
        definition.description,
        dict(definition.parameters),
        run,
        deadline=float(mounted.config.timeout),
        check=_as_given,
        hints=definition.hints,
    )


def _passed(meta: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return what of a caller's protocol goes to the server."""
    passed = {key: meta[key] for key in _PASSED if key in meta}
    given, capabilities = meta.get("_meta"), meta.get("capabilities")
    more: dict[str, JSON] = dict(given) if isinstance(given, dict) else {}
    more.pop(CAPABILITIES, None)
    if str(meta.get("protocol", "")) >= MODERN and isinstance(capabilities, dict):
        more[CAPABILITIES] = {key: one for key, one in capabilities.items() if key == _ASKS}
    return {**passed, "_meta": more} if more else passed


def _as_given(arguments: Arguments) -> Arguments:
    """Leave it to the server to look at the arguments: it does so anyway, by its own schema."""
    return arguments


def _fitting(result: Mapping[str, JSON], most: int) -> JSON:
    """Return a result, or an error in its place where it is too large: half of one is none."""
    size = len(msgspec.json.encode(result))
    if size <= most:
        return dict(result)
    words = (
        f"The result has {size} bytes, and {most} are the most ([tool-proxy] max_output at its"
        " node). The tool has run. Ask for less."
    )
    return {"content": [{"type": "text", "text": words}], "isError": True}
