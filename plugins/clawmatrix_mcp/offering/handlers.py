"""Answers requests of MCP clients: the list of tools, and calls."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from clawmatrix_core import Bound
from clawmatrix_mcp.offering.calls import Asked, run_call
from clawmatrix_mcp.offering.cancelling import when_gone
from clawmatrix_mcp.offering.cluster import (
    CLUSTER_CALL,
    CLUSTER_TOOLS,
    MANY,
    TOOLS,
    find_tools,
)
from clawmatrix_mcp.offering.results import error_result
from clawmatrix_mcp.offering.shown import Shown, carried
from clawmatrix_mcp.offering.tables import CLUSTER_PEERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mcp.server.context import ServerRequestContext
    from mcp_types import CallToolRequestParams, PaginatedRequestParams

    from clawmatrix_core import JSON, Node
    from clawmatrix_mcp.offering.offer import Offer
    from clawmatrix_mcp.offering.tables import Offered, Table

__all__ = ["CALLS", "NO_CACHE", "Handlers"]

CALLS = Bound(
    256,
    "calls of MCP clients that run at a time",
    fed_by="a client",
    when_full="one more is answered as busy, and nothing runs",
)
NO_CACHE: Final[dict[str, JSON]] = {
    "resultType": "complete",
    "ttlMs": 0,  # a list is true for as long as the grants are
    "cacheScope": "private",
}


class Handlers:
    """What the SDK's server calls; each method takes a context of the SDK."""

    def __init__(self, node: Node, offer: Offer, listed: Callable[[Table], None]) -> None:
        """Make them; ``listed`` is told what a client was given as the list."""
        self._node, self._offer, self._shown = node, offer, Shown()
        self._listed = listed
        self.running = 0

    async def list_tools(
        self, ctx: ServerRequestContext[Any, Any], params: PaginatedRequestParams
    ) -> dict[str, JSON]:
        """Answer ``tools/list``."""
        table = await self._offer.table()
        every, many = table.tools.values(), len(table.tools) > MANY
        listed = [one for one in every if not many or one.name == CLUSTER_PEERS]
        shown = [self._shown.definition(one, ctx.protocol_version) for one in listed]
        tools = [*[one for one in shown if one is not None], *(TOOLS if many else ())]
        self._listed(table)
        return {"tools": tools, **NO_CACHE}

    async def call_tool(
        self, ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams
    ) -> dict[str, JSON]:
        """Answer ``tools/call``; it ends when its client goes."""
        if self.running >= CALLS:
            words = f"{CALLS.text} calls run already. The tool did not run."
            return error_result(words, {"code": "busy", "mayHaveRun": False})
        with self.slot(), anyio.CancelScope() as scope:
            when_gone(ctx, scope)
            return await self._called(ctx, params.name, params.arguments or {})
        return error_result("nobody waits for it", {"code": "cancelled", "mayHaveRun": True})

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Count a call while it runs."""
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    def unfit(self) -> Sequence[Offered]:
        """Return the tools that could not be shown to a client, as no version can carry them."""
        return self._shown.unfit()

    def input_schema(self, name: str) -> Mapping[str, JSON] | None:
        """Return the schema of a tool, for headers that repeat its arguments."""
        offered = self._offer.last.tools.get(name)
        return None if offered is None else offered.entry.parameters

    async def _called(
        self, ctx: ServerRequestContext[Any, Any], name: str, arguments: Mapping[str, JSON]
    ) -> dict[str, JSON]:
        version = ctx.protocol_version
        if name == CLUSTER_TOOLS:
            table = await self._offer.table()
            shown = partial(self._shown.definition, version=version)
            return await find_tools(table, shown, arguments)
        if name == CLUSTER_CALL:
            inner, given = arguments.get("name"), arguments.get("arguments", {})
            if not isinstance(inner, str) or not isinstance(given, dict):
                words = "name is a text, and arguments is an object. The tool did not run."
                return error_result(words, {"code": "bad_arguments", "mayHaveRun": False})
            name, arguments = inner, given
        offered = await self._offer.find(name)
        if offered is None or self._shown.definition(offered, version) is None:
            words = f"No tool {name[:100]} is offered here. Nothing ran."
            return error_result(words, {"code": "unknown_tool", "mayHaveRun": False})
        result = await run_call(self._node, offered, _asked(ctx, arguments))
        return result if offered.mounted is None else carried(result, version)


def _asked(ctx: ServerRequestContext[Any, Any], arguments: Mapping[str, JSON]) -> Asked:
    params = ctx.params or {}
    meta = params.get("_meta")
    meta = dict(meta) if isinstance(meta, dict) else {}
    state = params.get("requestState")
    return Asked(
        arguments,
        ctx.protocol_version,
        meta,
        params.get("inputResponses"),
        state if isinstance(state, str) else None,
        ctx.session.report_progress if "progressToken" in meta else None,
    )
