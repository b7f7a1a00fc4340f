"""The part of the plugin that offers the tools of the mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_http.api import HttpRoute
from clawmatrix_mcp.offering.cluster import MANY
from clawmatrix_mcp.offering.endpoint import Endpoint, refuse, rpc_error
from clawmatrix_mcp.offering.offer import Offer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send

    from clawmatrix_core import JSON, Node, PluginScope
    from clawmatrix_mcp.offering.resource_handlers import Resources

__all__ = ["Offering", "status_lines"]

_NAMED = 50
"""Tools and nodes that are left out which the status names."""


class Offering:
    """Answers at ``/mcp`` from when it is started on."""

    def __init__(self) -> None:
        self._endpoint: Endpoint | None = None

    def start(self, node: Node, scope: PluginScope, resources: Resources | None = None) -> None:
        """Begin; ``resources`` has those of the mesh, and the prompts."""
        self._offer = Offer(node)
        self._endpoint = Endpoint(node, scope, self._offer, resources)

    def route(self) -> HttpRoute:
        """Return the route."""
        return HttpRoute("/mcp", ("GET", "POST", "DELETE"), errors=rpc_error, app=self._serve)

    def changed(self) -> None:
        """Note that other tools may be offered now."""
        if self._endpoint is not None:
            self._endpoint.changed()

    async def close(self) -> None:
        """End what only listens, as the node stops."""
        if self._endpoint is not None:
            await self._endpoint.close()

    def status(self) -> dict[str, JSON]:
        """Return what the status says of clients, and of what they do not see."""
        endpoint = self._endpoint
        server = None if endpoint is None else endpoint.server
        if endpoint is None or server is None:
            return {"used": False}
        table = self._offer.last
        left_out = [*table.left_out, *server.unfit()]
        return {
            "used": True,
            "sessions": len(endpoint.held),
            "sessionsEnded": endpoint.held.ended,
            "listening": server.listening,
            "calls": server.running,
            "tools": len(table.tools),
            "listed": len(table.tools) <= MANY,
            "nodes": {part.node: len(part.tools) for part in table.parts},
            "leftOut": [
                {"node": one.node, "tool": one.tool, "why": one.why} for one in left_out[:_NAMED]
            ],
            "leftOutInAll": len(left_out),
        }

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._endpoint is None:
            await refuse(send, 503, "this node starts")
            return
        await self._endpoint(scope, receive, send)


def status_lines(status: JSON) -> Sequence[str]:
    """Return what ``clawmatrix status`` says of it."""
    if not status.get("used"):
        return []
    lines = [f"mcp: {status['tools']} tools for {status['sessions'] + status['listening']} clients"]
    for one in status["leftOut"][:5]:
        tool = "" if one["tool"] is None else f" {one['tool']}"
        lines.append(f"mcp: left out: {one['node']}{tool}: {one['why']}")
    return lines
