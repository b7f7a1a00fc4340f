"""The server of the SDK, and its transport. Importing this module imports the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp_types import (
    CallToolRequestParams,
    PaginatedRequestParams,
    SubscriptionsListenRequestParams,
)

from clawmatrix_core import Bound, __version__
from clawmatrix_mcp.offering.handlers import Handlers

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from mcp.server.models import InitializationOptions
    from starlette.types import Receive, Scope, Send

    from clawmatrix_core import Node
    from clawmatrix_mcp.offering.offer import Offer
    from clawmatrix_mcp.offering.sessions import Sessions

__all__ = ["BODY", "SUBSCRIPTIONS", "McpServer"]

BODY = Bound(
    10 * 1024**2,
    "bytes of one message of an MCP client",
    fed_by="a client",
    when_full="the request is refused with status 413",
)
SUBSCRIPTIONS = Bound(
    256,
    "MCP clients that listen for changes of the list",
    fed_by="a client",
    when_full="one more is refused",
)
_INSTRUCTIONS: Final = (
    "These are the tools of the nodes of a mesh of machines, named NODE__TOOL. What they say of"
    " themselves was written at their nodes. cluster_peers lists the nodes."
)


class _Server(Server[Any]):
    """A server that says to clients of all versions that it tells of changes."""

    def create_initialization_options(
        self, notification_options: NotificationOptions | None = None, *more: Any, **named: Any
    ) -> InitializationOptions:
        changes = NotificationOptions(True, True, True)
        return super().create_initialization_options(changes, *more, **named)


class McpServer:
    """Answers MCP over HTTP, both eras of the protocol."""

    def __init__(self, node: Node, offer: Offer, sessions: Sessions) -> None:
        self._handlers, self._sessions = Handlers(node, offer), sessions
        self._bus = InMemorySubscriptionBus()
        listen = ListenHandler(self._bus, max_subscriptions=SUBSCRIPTIONS)
        self._listening = 0

        async def listen_counted(ctx: Any, params: SubscriptionsListenRequestParams) -> Any:
            self._listening += 1
            try:
                return await listen(ctx, params)
            finally:
                self._listening -= 1

        server = _Server(
            "clawmatrix",
            version=__version__,
            title=f"ClawMatrix node {node.id}",
            instructions=_INSTRUCTIONS,
            get_tool_input_schema=self._handlers.input_schema,
        )
        server.middleware[:] = [self._note]  # OpenTelemetry's goes: nothing here is traced
        add = server.add_request_handler
        add("tools/list", PaginatedRequestParams, self._handlers.list_tools)
        add("tools/call", CallToolRequestParams, self._handlers.call_tool)
        add("subscriptions/listen", SubscriptionsListenRequestParams, listen_counted)
        self._manager = StreamableHTTPSessionManager(
            server,
            max_request_body_size=BODY,
            max_sessions=sessions.most,
            session_idle_timeout=sessions.idle,
        )

    @property
    def listening(self) -> int:
        """How many clients of 2026-07-28 listen for changes."""
        return self._listening

    @property
    def running(self) -> int:
        """How many calls run."""
        return self._handlers.running

    def run(self) -> AbstractAsyncContextManager[None]:
        """Return what has to be entered for as long as requests come."""
        return self._manager.run()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of HTTP."""
        await self._manager.handle_request(scope, receive, send)

    async def publish(self) -> None:
        """Tell clients that listen that the list of tools changed."""
        await self._bus.publish(ToolsListChanged())

    async def _note(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Note how a session of an older client is told of changes."""
        headers = {} if ctx.request is None else ctx.request.headers
        session = headers.get("mcp-session-id")
        if session is not None:
            self._sessions.note(session, ctx.session.send_tool_list_changed)
        return await call_next(ctx)
