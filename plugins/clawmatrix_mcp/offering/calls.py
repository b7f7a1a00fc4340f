"""One call of a tool of the mesh for an MCP client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_mcp.offering.progress import Reporter
from clawmatrix_mcp.offering.results import Output, error_result, failure_result, native_result
from clawmatrix_tool_proxy.api import Progress, ToolFailed, call_tool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON, Node
    from clawmatrix_mcp.offering.progress import Report
    from clawmatrix_mcp.offering.tables import Offered
    from clawmatrix_tool_proxy.api import RemoteCall, ToolResult

__all__ = ["Asked", "run_call"]

_OWN_META = ("progressToken", "io.modelcontextprotocol/")
_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
"""Where a client of 2026-07-28 says what it can be asked."""


@attrs.frozen
class Asked:
    """What an MCP client asks for.

    Attributes:
        arguments: what the tool is called with.
        version: the version of the protocol that the client speaks.
        meta: what it sent beside the arguments, as ``_meta``.
        input_responses: answers to what the tool asked for before.
        request_state: what the tool gave to be sent back with them.
        report: tells the client how far the call is; None where it did not ask for that.
    """

    arguments: Mapping[str, JSON]
    version: str
    meta: Mapping[str, JSON] = attrs.field(factory=dict)
    input_responses: JSON = None
    request_state: str | None = None
    report: Report | None = None

    def mounted_meta(self) -> dict[str, JSON]:
        """Return what an MCP server at the other end needs of it."""
        meta = {key: one for key, one in self.meta.items() if not key.startswith(_OWN_META)}
        told: dict[str, JSON] = {"protocol": self.version}
        if isinstance(capabilities := self.meta.get(_CAPABILITIES), dict):
            told["capabilities"] = capabilities
        if self.input_responses is not None:
            told["inputResponses"] = self.input_responses
        if self.request_state is not None:
            told["requestState"] = self.request_state
        if self.report is not None:
            told["progress"] = True
        if meta:
            told["_meta"] = meta
        return {"mcp": told}


async def run_call(node: Node, offered: Offered, asked: Asked) -> dict[str, JSON]:
    """Call the tool; return a result of MCP, which is an error where the call gave none.

    Cancelling it cancels the call, over however many relays.
    """
    output = Output()
    meta = None if offered.mounted is None else asked.mounted_meta()
    try:
        async with (
            Reporter(asked.report, offered.name) as reporter,
            call_tool(node, offered.node, offered.entry.name, asked.arguments, meta=meta) as call,
        ):
            found = await _read(call, reporter, output)
    except ToolFailed as error:
        return failure_result(error, offered.node, output)
    if offered.mounted is None:
        return native_result(found, output)
    return _mounted_result(found)


async def _read(call: RemoteCall, reporter: Reporter, output: Output) -> ToolResult:
    async for part in call:
        if isinstance(part, Progress):
            await reporter.tell(part.progress, done=part.done, total=part.total)
        else:
            output.add(part)
            await reporter.tell(output.tail())
    return await call.result()


def _mounted_result(found: ToolResult) -> dict[str, JSON]:
    """Return what an MCP server gave, as it gave it."""
    if isinstance(found.value, dict) and not found.cut.result:
        return {"resultType": "complete", **found.value}
    words = "What the tool's node sent is no result of MCP. The tool has run."
    return error_result(words, {"code": "bad_answer", "mayHaveRun": True})
