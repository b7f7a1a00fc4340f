"""What the tests of what is offered share: MCP clients of a node, and tools two hops away."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import attrs
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_http.api import http_access
from clawmatrix_mcp.plugin import McpPlugin
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from tests.plugins.tool_proxy.shop import EngineShop, Notebook, ShopPlugin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from mcp_types import CallToolResult

    from clawmatrix_core import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_mcp.mounting.mounted import Mounted
    from clawmatrix_tool_proxy.api import Tool

__all__ = ["ERAS", "Era", "Mesh", "Raw", "answer_of", "client_of", "http_of", "mesh", "text_of"]

Era = Literal["legacy", "2026-07-28"]
ERAS: tuple[Era, ...] = ("legacy", "2026-07-28")


@attrs.frozen
class Mesh:
    """``home``, which MCP clients ask, and ``office``, which has the tools; a relay is between."""

    home: Node
    office: Node
    shop: ShopPlugin
    engine: EngineShop
    served: Notebook
    asked: Notebook
    mcp: McpPlugin


@asynccontextmanager
async def mesh(
    factory: NodeFactory,
    *tools: Tool,
    allowed: tuple[str, ...] = ("*",),
    nodes: tuple[str, ...] | None = ("office",),
    table: Mapping[str, object] | None = None,
    exposed: tuple[str, ...] = ("*",),
    more: tuple[object, ...] = (),
    name: str = "office",
    mcp: McpPlugin | None = None,
    servers: Mapping[str, object] | None = None,
) -> AsyncIterator[Mesh]:
    """Run the nodes; ``table`` is what ``[tool-proxy]`` of office has beside ``allow``.

    ``more`` are plugins of office, ``name`` is its name, and ``servers`` are the MCP servers that
    it mounts.
    """
    shop, engine, served, asked = ShopPlugin(*tools), EngineShop(*allowed), Notebook(), Notebook()
    plugin, mounting = mcp or McpPlugin(), McpPlugin()
    relay = factory("relay")
    office = factory(
        name,
        dials=["relay"],
        plugins=[ToolProxyPlugin(), shop, engine, served, *more, *([mounting] if servers else ())],
        config={
            "tool-proxy": {"allow": list(exposed), **(table or {})},
            **({"mcp": {"servers": dict(servers)}} if servers else {}),
        },
    )
    seen = {} if nodes is None else {"nodes": list(nodes)}
    home = factory(
        "home",
        dials=["relay"],
        built_in=("mesh", "relay", "http"),
        plugins=[ToolProxyPlugin(), asked, plugin],
        config={"mcp": seen},
    )
    async with relay, office, home:
        await wait_until(lambda: home.reachable(name) and office.reachable("home"))
        if servers:
            await wait_until(lambda: all(one.state.word == "ready" for one in _mounted(mounting)))
        yield Mesh(home, office, shop, engine, served, asked, plugin)


def _mounted(plugin: McpPlugin) -> Sequence[Mounted]:
    assert plugin.mounting.mounts is not None
    return plugin.mounting.mounts.all()


def http_of(node: Node) -> httpx2.AsyncClient:
    """Return a client of HTTP that shows the token of a node."""
    access = http_access(node)
    assert access is not None
    headers = {"authorization": f"Bearer {access.token}"}
    limits = httpx2.Limits(max_connections=None)
    return httpx2.AsyncClient(
        base_url=access.root, headers=headers, trust_env=False, timeout=30, limits=limits
    )


@asynccontextmanager
async def client_of(node: Node, era: Era, **more: Any) -> AsyncIterator[Client]:
    """Open the official client of a node, in one of the eras of the protocol."""
    access = http_access(node)
    assert access is not None
    async with http_of(node) as http:
        transport = streamable_http_client(f"{access.root}/mcp", http_client=http)
        async with Client(transport, mode=era, cache=None, **more) as client:
            yield client


def text_of(result: CallToolResult) -> str:
    """Return the text of a result."""
    return "\n".join(block.text for block in result.content if block.type == "text")


class Raw:
    """A client of an older version by bare HTTP: it can do what the official one never does."""

    def __init__(self, http: httpx2.AsyncClient, session: str) -> None:
        self.http, self.session = http, session

    @classmethod
    async def open(cls, http: httpx2.AsyncClient, version: str = "2025-06-18") -> Raw:
        """Open a session."""
        about = {"name": "raw", "version": "1"}
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": about}
        answer = await http.post("/mcp", json=rpc("initialize", params), headers=ACCEPT)
        assert answer.status_code == 200, answer.text
        raw = cls(http, answer.headers["mcp-session-id"])
        done = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await http.post("/mcp", json=done, headers=raw.headers)).status_code == 202
        return raw

    @property
    def headers(self) -> dict[str, str]:
        """What each request of the session has."""
        return {**ACCEPT, "mcp-session-id": self.session}

    async def ask(self, method: str, params: Mapping[str, Any]) -> httpx2.Response:
        """Ask, and return the answer."""
        return await self.http.post("/mcp", json=rpc(method, params), headers=self.headers)


ACCEPT = {"accept": "application/json, text/event-stream"}


def rpc(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": dict(params)}


def answer_of(response: httpx2.Response) -> dict[str, Any]:
    """Return the last message of an answer, which is a stream of events."""
    lines = [line for line in response.text.splitlines() if line.startswith("data: {")]
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("data: "))
    return found
