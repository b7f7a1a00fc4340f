"""What the tests of resources share: a node with a server, one that reads, a relay between them."""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from clawmatrix_core import Verdict, hookimpl
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mcp.plugin import McpPlugin
from clawmatrix_tool_proxy.api import ToolFailed
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from tests.plugins.tool_proxy.shop import Notebook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from clawmatrix_core import JSON, Node
    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_mcp.resources.mesh import MeshResources

__all__ = ["Decider", "Mesh", "code_of", "relayed"]

SCRIPT: Final = str(Path(__file__).with_name("notes_server.py"))
NOTES: Final = {"command": [sys.executable, "-I", SCRIPT], "confine": False}


class Decider:
    """Decides about resources by the beginning of their URI."""

    plugin_name = "decider"

    def __init__(self, *allowed: str, asks: Sequence[str] = (), denied: Sequence[str] = ()) -> None:
        self.allowed, self.asks, self.denied = allowed, tuple(asks), tuple(denied)
        self.asked: list[tuple[str, Mapping[str, JSON] | None]] = []
        self.only: Callable[[Mapping[str, JSON]], bool] = lambda _: True

    @hookimpl
    async def authorize(
        self, action: str, target: str, arguments: Mapping[str, JSON] | None
    ) -> Verdict | None:
        if action != "resource":
            return None
        self.asked.append((target, arguments))
        if target.startswith(self.denied) or not target.startswith((*self.allowed, *self.asks)):
            return Verdict("deny", "the engine says so", rule="engine.rule")
        if arguments is not None and not self.only(arguments):
            return Verdict("deny", "the arguments", rule="engine.only")
        return Verdict("ask" if target.startswith(self.asks) else "allow", rule="engine.rule")


@attrs.frozen
class Mesh:
    """A node that reads, ``home``, and one with a server, ``office``, with a relay between them."""

    home: Node
    office: Node
    relay: Node
    decider: Decider
    served: Notebook
    asked: Notebook
    plugins: Mapping[str, McpPlugin]

    @property
    def mesh(self) -> MeshResources:
        """What clients of ``home`` are given."""
        return self.plugins["home"].resources.mesh

    async def read(self, uri: str, server: str = "notes") -> dict[str, JSON]:
        """Read a resource of office by the server's own URI."""
        return await self.mesh.read(f"mesh://office/{server}/{uri}")

    async def seen(self) -> list[str]:
        """Return what the server was asked for."""
        servers = self.plugins["office"].servers()
        server = None if servers is None else servers.get("notes")
        assert server is not None
        told = await server.request("resources/read", {"uri": "notes://home/seen"})
        found: list[str] = json.loads(told["contents"][0]["text"])
        return found


@asynccontextmanager
async def relayed(
    factory: NodeFactory,
    *allowed: str,
    exposed: Sequence[str] = ("notes/**",),
    asks: Sequence[str] = (),
    denied: Sequence[str] = (),
    nodes: Sequence[str] = ("office",),
    more: Sequence[object] = (),
    tables: Mapping[str, object] | None = None,
    identity: Identity | None = None,
    built_in: Sequence[str] = ("mesh", "relay"),
    **options: Any,
) -> AsyncIterator[Mesh]:
    """Run a mesh in which ``home`` reaches ``office`` through ``relay``.

    ``tables`` are of office; where there are some, these decide. ``identity`` is that of home,
    and ``built_in`` are plugins of it.
    """
    decider = Decider(*(allowed or ("notes/",)), asks=asks, denied=denied)
    served, asked = Notebook(), Notebook()
    given: dict[str, Any] = {} if identity is None else {"identity": identity}
    here, there = McpPlugin(), McpPlugin()
    table = {"resources": list(exposed), "servers": {"notes": NOTES}}
    relay = factory("relay", **options)
    office = factory(
        "office",
        dials=["relay"],
        plugins=[ToolProxyPlugin(), there, served, *more, *([] if tables else [decider])],
        config={"mcp": table, **(tables or {})},
        **options,
    )
    home = factory(
        "home",
        dials=["relay"],
        built_in=built_in,
        plugins=[ToolProxyPlugin(), here, asked],
        config={"mcp": {"nodes": list(nodes)}},
        **options,
        **given,
    )
    async with relay, office, home:
        await wait_until(lambda: home.reachable("office") and office.reachable("home"))
        await wait_until(lambda: _is_ready(there))
        plugins = {"home": here, "office": there}
        yield Mesh(home, office, relay, decider, served, asked, plugins)


def _is_ready(plugin: McpPlugin) -> bool:
    server = None if plugin.mounting.mounts is None else plugin.mounting.mounts.get("notes")
    return server is not None and server.state.word == "ready"


async def code_of(mesh: Mesh, uri: str) -> str:
    """Return the code of the error that a reading ends with."""
    try:
        return f"no error: {await mesh.mesh.read(uri)}"
    except ToolFailed as error:
        return error.code
