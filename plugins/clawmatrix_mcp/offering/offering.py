"""The part of the plugin that offers the tools of the mesh. It imports the rest on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from clawmatrix_http.api import HttpRoute
from clawmatrix_mcp.offering.refusing import refuse, rpc_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send

    from clawmatrix_core import JSON, Node, PluginScope
    from clawmatrix_http.api import HttpRefusal
    from clawmatrix_mcp.offering.endpoint import Endpoint
    from clawmatrix_mcp.offering.resource_handlers import Resources

__all__ = ["Offering", "status_lines"]

_NAMED: Final = 50
"""Tools and nodes that are left out which the status names."""
_ENDPOINT: Final = "clawmatrix_mcp.offering.endpoint"


class Offering:
    """Answers at ``/mcp`` from when it is started on."""

    def __init__(self) -> None:
        self._started: tuple[Node, PluginScope, Resources] | None = None
        self._endpoint: Endpoint | None = None
        self._making = anyio.Lock()

    def start(self, node: Node, scope: PluginScope, resources: Resources) -> None:
        """Begin; ``resources`` has those of the mesh, and the prompts."""
        self._started = (node, scope, resources)

    def route(self) -> HttpRoute:
        """Return the route."""
        return HttpRoute("/mcp", ("GET", "POST", "DELETE"), errors=_rpc_error, app=self._serve)

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
        found = None if self._endpoint is None else self._endpoint.status(_NAMED)
        return {"used": False} if found is None else {"used": True, **found}

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoint or await self._made()
        if endpoint is None:
            await refuse(send, 503, "this node starts")
            return
        await endpoint(scope, receive, send)

    async def _made(self) -> Endpoint | None:
        """Return what answers, made when it is first wanted; None before the plugin started."""
        async with self._making:
            if self._endpoint is None and self._started is not None:
                module = await anyio.to_thread.run_sync(importlib.import_module, _ENDPOINT)
                self._endpoint = module.Endpoint(*self._started)
            return self._endpoint


def _rpc_error(refusal: HttpRefusal) -> JSON:
    """Return the JSON of an error of the HTTP server, as MCP clients understand it."""
    return rpc_error(refusal.message)


def status_lines(status: JSON) -> Sequence[str]:
    """Return what ``clawmatrix status`` says of it."""
    if not status.get("used"):
        return []
    lines = [f"mcp: {status['tools']} tools for {status['sessions'] + status['listening']} clients"]
    for one in status["leftOut"][:5]:
        tool = "" if one["tool"] is None else f" {one['tool']}"
        lines.append(f"mcp: left out: {one['node']}{tool}: {one['why']}")
    return lines
