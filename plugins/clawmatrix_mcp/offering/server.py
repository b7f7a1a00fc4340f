"""The server of the SDK, and its transport. Importing this module imports the SDK."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourcesListChanged,
    ToolsListChanged,
)
from mcp_types import (
    CallToolRequestParams,
    PaginatedRequestParams,
    SubscriptionsListenRequestParams,
)

from clawmatrix_core import Bound, __version__
from clawmatrix_mcp.offering.handlers import Handlers
from clawmatrix_mcp.offering.resource_handlers import ResourceHandlers
from clawmatrix_mcp.offering.tables import LeftOut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from mcp.server.models import InitializationOptions
    from starlette.types import Receive, Scope, Send

    from clawmatrix_core import Node
    from clawmatrix_mcp.offering.news import Kind
    from clawmatrix_mcp.offering.offer import Offer
    from clawmatrix_mcp.offering.resource_handlers import Resources
    from clawmatrix_mcp.offering.sessions import Sessions, Told
    from clawmatrix_mcp.offering.tables import Table

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
_EVENTS: Final[
    Mapping[Kind, type[ToolsListChanged | ResourcesListChanged | PromptsListChanged]]
] = {
    "tools": ToolsListChanged,
    "resources": ResourcesListChanged,
    "prompts": PromptsListChanged,
}
_TELLING: Final = 5.0
"""Seconds that a client gets to take the news: its connection may be full."""
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

    def __init__(
        self,
        node: Node,
        offer: Offer,
        held: Sessions,
        listed: Callable[[Table], None],
        resources: Resources,
    ) -> None:
        """Make one.

        Args:
            node: the node.
            offer: what it offers.
            held: the sessions of older clients.
            listed: told what a client was given as the list.
            resources: the resources and prompts of the mesh.
        """
        self._handlers, self._held = Handlers(node, offer, listed), held
        self._bus = InMemorySubscriptionBus()
        self._listen = listen = ListenHandler(self._bus, max_subscriptions=SUBSCRIPTIONS)
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
        ResourceHandlers(resources, self._handlers).add_to(server)
        self._manager = StreamableHTTPSessionManager(
            server,
            max_request_body_size=BODY,
            max_sessions=held.most,
            session_idle_timeout=held.idle,
        )

    @property
    def listening(self) -> int:
        """How many clients of 2026-07-28 listen for changes."""
        return self._listening

    @property
    def running(self) -> int:
        """How many calls run."""
        return self._handlers.running

    def unfit(self) -> Sequence[LeftOut]:
        """Return the tools that could not be shown to a client."""
        why = "its definition is not valid MCP"
        return [LeftOut(one.node, one.entry.name, why) for one in self._handlers.unfit()]

    def run(self) -> AbstractAsyncContextManager[None]:
        """Return what has to be entered for as long as requests come."""
        return self._manager.run()

    @property
    def most(self) -> int:
        """How many bytes a message may have."""
        return BODY

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of HTTP."""
        await self._manager.handle_request(scope, receive, send)

    @property
    def any(self) -> bool:
        """Whether any client may be told of changes."""
        return self._listening > 0 or len(self._held) > 0

    async def tell(self, kind: Kind) -> None:
        """Tell all clients that a list changed; none waits for another."""
        await self._bus.publish(_EVENTS[kind]())
        async with anyio.create_task_group() as tasks:
            for told in self._held.told():
                tasks.start_soon(_tell, told, kind)

    def close(self) -> None:
        """End what listens for changes."""
        self._listen.close()

    async def _note(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Note how a session of an older client is told of changes."""
        headers = {} if ctx.request is None else ctx.request.headers
        session = headers.get("mcp-session-id")
        if session is not None:
            self._held.note(session, ctx.session)
        return await call_next(ctx)


async def _tell(told: Told, kind: Kind) -> None:
    ways = {
        "tools": told.send_tool_list_changed,
        "resources": told.send_resource_list_changed,
        "prompts": told.send_prompt_list_changed,
    }
    with (
        suppress(anyio.ClosedResourceError, anyio.BrokenResourceError),
        anyio.move_on_after(_TELLING),
    ):
        await ways[kind]()
