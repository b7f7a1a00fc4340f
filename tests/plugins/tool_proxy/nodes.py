"""What the tests of tools share: a mesh of a caller, a relay and a node with tools."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_tool_proxy.api import ToolFailed, call_tool
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from tests.plugins.tool_proxy.shop import EngineShop, Notebook, ShopPlugin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from clawmatrix_core import JSON, Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_tool_proxy.api import Tool, ToolResult

__all__ = ["Mesh", "called", "code_of", "mesh_of", "relayed"]


@attrs.frozen
class Mesh:
    """A caller, ``home``, and a node with tools, ``office``, with a relay between them."""

    home: Node
    office: Node
    relay: Node
    shop: ShopPlugin
    engine: EngineShop
    served: Notebook
    asked: Notebook
    proxy: ToolProxyPlugin


def mesh_of(
    factory: NodeFactory,
    *tools: Tool,
    allowed: tuple[str, ...] = ("*",),
    table: Mapping[str, object] | None = None,
    **more: Any,
) -> Mesh:
    """Make the nodes; ``table`` is what ``[tool-proxy]`` has beside ``allow``."""
    shop, engine = ShopPlugin(*tools), EngineShop(*allowed)
    served, asked, proxy = Notebook(), Notebook(), ToolProxyPlugin()
    config = {"tool-proxy": {"allow": ["*"], **(table or {})}}
    relay = factory("relay", **more)
    office = factory(
        "office", dials=["relay"], plugins=[proxy, shop, engine, served], config=config, **more
    )
    home = factory("home", dials=["relay"], plugins=[ToolProxyPlugin(), asked], **more)
    return Mesh(home, office, relay, shop, engine, served, asked, proxy)


@asynccontextmanager
async def relayed(factory: NodeFactory, *tools: Tool, **more: Any) -> AsyncIterator[Mesh]:
    """Run a mesh in which ``home`` reaches ``office`` through ``relay``."""
    mesh = mesh_of(factory, *tools, **more)
    async with mesh.relay, mesh.office, mesh.home:
        await wait_until(lambda: mesh.home.reachable("office") and mesh.office.reachable("home"))
        yield mesh


async def called(mesh: Mesh, tool: str, /, **arguments: JSON) -> ToolResult:
    """Call a tool of ``office`` from ``home``; output is dropped."""
    async with call_tool(mesh.home, "office", tool, arguments) as call:
        return await call.result()


async def code_of(mesh: Mesh, tool: str, /, **arguments: JSON) -> str:
    """Return the code of the error that a call ends with."""
    try:
        return f"no error: {await called(mesh, tool, **arguments)}"
    except ToolFailed as error:
        return error.code
