"""``/mcp`` of the local HTTP server."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from clawmatrix_core import Bound
from clawmatrix_mcp.offering.bodies import VALUES, TooManyValues, looked_at
from clawmatrix_mcp.offering.cluster import MANY
from clawmatrix_mcp.offering.news import News
from clawmatrix_mcp.offering.offer import Offer
from clawmatrix_mcp.offering.refusing import refuse
from clawmatrix_mcp.offering.sessions import Sessions
from clawmatrix_tool_proxy.api import ToolFailed, pins_of, when_lists_change

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from clawmatrix_core import JSON, Node, PluginScope
    from clawmatrix_mcp.offering.resource_handlers import Resources
    from clawmatrix_mcp.offering.server import McpServer
    from clawmatrix_mcp.offering.tables import Table

__all__ = ["REQUESTS", "Endpoint"]

REQUESTS = Bound(
    1024,
    "requests of MCP clients at a time, those that listen included",
    fed_by="a client",
    when_full="one more is refused with status 503",
)
SERVER: Final = "clawmatrix_mcp.offering.server"
"""The module that imports the SDK."""
_SESSION: Final = b"mcp-session-id"
_VERSION: Final = b"mcp-protocol-version"


class Endpoint:
    """The application at ``/mcp``; it has the SDK from the first request on."""

    def __init__(self, node: Node, scope: PluginScope, resources: Resources) -> None:
        self._node, self._scope, self._offer = node, scope, Offer(node)
        self._resources = resources
        self._lock = anyio.Lock()
        self._server: McpServer | None = None
        self._closed = False
        self._news: News | None = None
        self.held = Sessions()
        self.requests = 0

    @property
    def server(self) -> McpServer | None:
        """The server of the SDK; None before the first request."""
        return self._server

    def status(self, named: int) -> dict[str, JSON] | None:
        """Return what the status says; None before the first request.

        Args:
            named: how many tools and nodes that are left out it names.
        """
        if (server := self._server) is None:
            return None
        table = self._offer.last
        left_out = [*table.left_out, *server.unfit()]
        return {
            "sessions": len(self.held),
            "sessionsEnded": self.held.ended,
            "listening": server.listening,
            "calls": server.running,
            "tools": len(table.tools),
            "listed": len(table.tools) <= MANY,
            "nodes": {part.node: len(part.tools) for part in table.parts},
            "leftOut": [
                {"node": one.node, "tool": one.tool, "why": one.why} for one in left_out[:named]
            ],
            "leftOutInAll": len(left_out),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._closed:
            await refuse(send, 503, "this node stops")
            return
        if self.requests >= REQUESTS:
            await refuse(send, 503, f"{REQUESTS.text} requests are open")
            return
        self.requests += 1
        try:
            server = self._server or await self._started()
            if server is None:
                await refuse(send, 503, "the package mcp is not installed at this node")
                return
            if scope["method"] == "POST":
                receive = await looked_at(receive, server.most)
            await self._answer(server, scope, receive, send)
        except TooManyValues:
            await refuse(send, 413, f"the message has more than {VALUES.text} values")
        finally:
            self.requests -= 1

    def changed(self) -> None:
        """Note that another list may be offered now."""
        if self._news is not None:
            self._news.changed()

    async def close(self) -> None:
        """End what only listens, so that it does not hold the node up as it stops.

        Whoever asks from now on is refused: those that listened would listen again.
        """
        self._closed = True
        if self._server is None:
            return
        self._server.close()
        for session in self.held.quiet():
            await self._end(self._server, session)

    def _listed(self, table: Table) -> None:
        if self._news is not None:
            self._news.listed(table)

    async def _answer(self, server: McpServer, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        session = headers.get(_SESSION)
        if session is not None:
            await self._use(server, session.decode("latin-1"), scope, receive, send)
        elif scope["method"] == "POST" and headers.get(_VERSION, b"") < b"2026":
            await self._open(server, scope, receive, send)
        else:
            await server.handle(scope, receive, send)

    async def _use(
        self, server: McpServer, session: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and (
                message["status"] == 404 or (scope["method"], message["status"]) == ("DELETE", 200)
            ):
                self.held.gone(session)
            await send(message)

        with self.held.used(session, asks=scope["method"] == "POST"):
            await server.handle(scope, receive, watched)

    async def _open(self, server: McpServer, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what may open a session, once there is room for one."""
        while self.held.full:
            if (idlest := self.held.idlest()) is None:
                await refuse(send, 503, f"{self.held.most.text} sessions are in use")
                return
            await self._end(server, idlest)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 300:
                opened = dict(message["headers"]).get(_SESSION)
                if opened is not None:
                    self.held.opened(opened.decode("latin-1"))
            await send(message)

        with self.held.opening():
            await server.handle(scope, receive, watched)

    async def _end(self, server: McpServer, session: str) -> None:
        """End a session, as its client would."""
        self.held.gone(session)
        self.held.ended += 1

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None: ...

        headers = [(_SESSION, session.encode("latin-1"))]
        scope: dict[str, Any] = {
            "type": "http",
            "method": "DELETE",
            "path": "/mcp",
            "query_string": b"",
            "headers": headers,
        }
        await server.handle(scope, receive, send)

    async def _started(self) -> McpServer | None:
        """Return the server, None where the SDK is not installed."""
        async with self._lock:
            if self._server is None:
                # The first client may go meanwhile; others wait for the same.
                with anyio.CancelScope(shield=True):
                    self._server = await self._start()
            return self._server

    async def _start(self) -> McpServer | None:
        try:
            module = await anyio.to_thread.run_sync(importlib.import_module, SERVER)
        except ImportError as error:
            log = self._node.logger("mcp")
            log.error("MCP clients are refused: %s; pip install 'clawmatrix[mcp]'", error)
            return None
        server: McpServer = module.McpServer(
            self._node, self._offer, self.held, self._listed, self._resources
        )
        await self._scope.enter(server.run(), name="mcp server")
        news = self._news = News(self._offer, server)
        self._follow(news)
        self._resources.when_changed(news.resources_changed)
        self._scope.start_soon(news.run, name="mcp news")
        return server

    def _follow(self, news: News) -> None:
        """Have news of what may change the list."""

        def accepted(_: str) -> None:
            self._offer.forget()
            news.changed()

        self._node.when_policy_changes(lambda _: news.changed())
        try:
            pins_of(self._node).when_changed(accepted)
            when_lists_change(self._node, lambda _: news.changed())
        except ToolFailed as error:
            self._node.logger("mcp").warning("clients are not told of changes: %s", error)
