"""An MCP server of the official SDK with both eras, as an application of ASGI."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.subscriptions import ToolsListChanged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

SCHEMA = {"type": "object", "properties": {}}


@attrs.define
class Machine:
    """The tools of the server, and what became of calls.

    Attributes:
        begun: the names of tools whose calls have begun.
        cancelled: how many calls were cancelled.
        names: the tools that it lists, each with the same schema.
    """

    begun: list[str] = attrs.field(factory=list)
    cancelled: int = 0
    names: list[str] = attrs.field(factory=lambda: ["echo", "wait", "räum auf"])
    sessions: list[Any] = attrs.field(factory=list)
    schema: dict[str, Any] = attrs.field(factory=lambda: dict(SCHEMA))
    bus: InMemorySubscriptionBus = attrs.field(factory=InMemorySubscriptionBus)

    async def list_tools(self, ctx: Any, params: Any) -> types.ListToolsResult:
        if ctx.session not in self.sessions:
            self.sessions.append(ctx.session)
        return types.ListToolsResult(
            tools=[types.Tool(name=name, input_schema=self.schema) for name in self.names]
        )

    async def call_tool(self, ctx: Any, params: Any) -> types.CallToolResult:
        self.begun.append(params.name)
        if params.name == "wait":
            try:
                await ctx.session.report_progress(1, 2, "half")
                await anyio.sleep_forever()
            except BaseException:
                self.cancelled += 1
                raise
        text = str((params.arguments or {}).get("text", params.name))
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)])

    async def change(self) -> None:
        """Tell every client that the list of tools has changed."""
        await self.bus.publish(ToolsListChanged())
        for session in self.sessions:
            await session.send_tool_list_changed()


@asynccontextmanager
async def sdk_server(machine: Machine) -> AsyncIterator[ASGIApp]:
    """Run the server's sessions, and give the application."""
    server: Any = Server(
        "machine",
        on_list_tools=machine.list_tools,
        on_call_tool=machine.call_tool,
        on_subscriptions_listen=ListenHandler(machine.bus),
        get_tool_input_schema=lambda name: machine.schema,
    )
    plain = server.create_initialization_options
    server.create_initialization_options = lambda **more: _changing(plain(**more))
    server.middleware.clear()
    manager = StreamableHTTPSessionManager(server)
    async with manager.run():
        yield manager.handle_request


def _changing(options: Any) -> Any:
    options.capabilities.tools.list_changed = True
    return options
