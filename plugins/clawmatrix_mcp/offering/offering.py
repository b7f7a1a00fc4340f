"""The part of the plugin that offers the tools of the mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_http.api import HttpRoute
from clawmatrix_mcp.offering.endpoint import Endpoint, refuse, rpc_error
from clawmatrix_mcp.offering.offer import Offer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from clawmatrix_core import Node, PluginScope

__all__ = ["Offering"]


class Offering:
    """Answers at ``/mcp`` from when it is started on."""

    def __init__(self) -> None:
        self._endpoint: Endpoint | None = None

    def start(self, node: Node, scope: PluginScope) -> None:
        """Begin."""
        self._offer = Offer(node)
        self._endpoint = Endpoint(node, scope, self._offer)

    def route(self) -> HttpRoute:
        """Return the route."""
        return HttpRoute("/mcp", ("GET", "POST", "DELETE"), errors=rpc_error, app=self._serve)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._endpoint is None:
            await refuse(send, 503, "this node starts")
            return
        await self._endpoint(scope, receive, send)
