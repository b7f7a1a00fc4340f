"""Whatever is exposed, granted and pinned: a list has what may be called, and nothing else runs."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

import anyio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams, PaginatedRequestParams

from clawmatrix_core import Clock, Config, ConfigSection, Node, Verdict, hookimpl
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.simulation import run_simulation
from clawmatrix_mcp.config import McpConfig
from clawmatrix_mcp.naming import offered_name
from clawmatrix_mcp.offering.handlers import Handlers
from clawmatrix_mcp.offering.offer import Offer
from clawmatrix_mesh.plugin import MeshPlugin
from clawmatrix_relay.plugin import RelayPlugin
from clawmatrix_tool_proxy.api import Tool, ToolCall, tools_changed
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from clawmatrix_tool_proxy.serving.exposure import Exposure
from tests.plugins.tool_proxy.shop import Notebook
from tests.simulation.mesh import SECRET, SimTransportPlugin, comes_true

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clawmatrix_core import JSON
    from clawmatrix_core.testing.simulation import Simulation

NAMES: Final = ("read", "list", "write", "s.a", "x__y")
GLOBS: Final = ("*", "read", "r*", "li?t", "write", "s.*", "x__*")
EFFECTS: Final = ("allow", "allow", "ask", "deny", "even")
VERSIONS: Final = ("2025-06-18", "2026-07-28")


class Office:
    """Has tools, and decides who may call them: ``even`` is for calls whose number is even."""

    plugin_name = "shop"
    extends = ("tool-proxy",)

    def __init__(self, random: Random) -> None:
        self.ran: list[str] = []
        self.change(random)

    def change(self, random: Random) -> None:
        """Have other tools, other definitions and other grants."""
        names = random.sample(NAMES, random.randint(1, len(NAMES)))
        self.definitions = {name: random.choice(("one", "one", "two")) for name in names}
        self.effects = {name: random.choice(EFFECTS) for name in NAMES}

    @hookimpl
    def register_tools(self) -> Sequence[Tool]:
        return [self._tool(name, words) for name, words in self.definitions.items()]

    def _tool(self, name: str, words: str) -> Tool:
        async def run(call: ToolCall, arguments: Mapping[str, JSON]) -> JSON:
            self.ran.append(name)
            return None

        return Tool(name, words, {"type": "object"}, run, check=dict)

    @hookimpl
    async def authorize(
        self, action: str, target: str, arguments: Mapping[str, JSON] | None
    ) -> Verdict | None:
        return Verdict(self.effect(target, arguments)) if action == "tool" else None

    def effect(self, name: str, arguments: Mapping[str, JSON] | None) -> Any:
        effect = self.effects.get(name, "deny")
        if effect != "even":
            return effect
        return "allow" if arguments is None or int(arguments["n"]) % 2 == 0 else "deny"


class McpTable:
    """Reads the table ``[mcp]``, and no more."""

    plugin_name = "mcp-table"

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        return [ConfigSection("mcp", McpConfig)]


def node(
    simulation: Simulation, name: str, plugins: Sequence[object], table: dict[str, Any]
) -> Node:
    peers = [] if name == "relay" else ["memory://relay"]
    mesh = {"listen_url": f"memory://{name}", "peers": peers, "direct": False}
    raw = {"node_id": name, "secret": SECRET, "mesh": mesh, **table}
    transport = SimTransportPlugin(simulation.network.transport(name))
    return Node(
        Config.from_mapping(raw),
        plugins=[transport, MeshPlugin(), RelayPlugin(), Notebook(), *plugins],
        state=MemoryState(),
        identity=Identity.generate(Random(name).randbytes),
        clock=Clock(now=simulation.now, wall=simulation.wall(name)),
        random_source=Random(simulation.random.getrandbits(64)),
        watchdog=False,
    )


class Client:
    """Asks the handlers of a node, as the SDK does."""

    def __init__(self, home: Node, version: str) -> None:
        self._handlers = Handlers(home, Offer(home), lambda table: None)
        self._version = version

    def _context(self, method: str) -> ServerRequestContext[Any, Any]:
        session: Any = None  # a call without progress does without
        return ServerRequestContext(
            session=session,
            lifespan_context=None,
            protocol_version=self._version,
            method=method,
            params={},
        )

    async def names(self) -> set[str]:
        context = self._context("tools/list")
        found: Any = await self._handlers.list_tools(context, PaginatedRequestParams())
        return {tool["name"] for tool in found["tools"]}

    async def call(self, name: str, n: int) -> None:
        params = CallToolRequestParams(name=name, arguments={"n": n})
        with anyio.fail_after(60):
            await self._handlers.call_tool(self._context("tools/call"), params)


async def listed_and_called(random: Random, simulation: Simulation) -> None:
    allow = random.sample(GLOBS, random.randint(1, 3))
    deny = random.sample(GLOBS[1:], random.choice((0, 0, 1)))
    exposure = Exposure(allow, deny)
    seen = random.random() < 0.9
    shop = Office(random)
    relay = node(simulation, "relay", (), {})
    exposed = {"tool-proxy": {"allow": allow, "deny": deny}}
    office = node(simulation, "office", [ToolProxyPlugin(), shop], exposed)
    table = {"mcp": {"nodes": ["office"] if seen else ["lab"]}}
    home = node(simulation, "home", [ToolProxyPlugin(), McpTable()], table)
    async with relay, office, home:
        await comes_true(lambda: home.reachable("office") and office.reachable("home"), within=30)
        client = Client(home, random.choice(VERSIONS))
        key = office.identity.key_text

        def may(name: str) -> bool:
            return (
                seen
                and name in shop.definitions
                and exposure.exposes(name)
                and shop.effect(name, None) != "deny"
            )

        first = {name for name in NAMES if may(name)}
        assert await client.names() == _names(key, first)
        seen_first = {name: shop.definitions[name] for name in first}
        shop.change(random)
        tools_changed(office)
        office.policy_changed("a test")
        await anyio.sleep(2)
        granted = {name: shop.definitions[name] for name in NAMES if may(name)}
        pinned = seen_first or granted  # a list without tools is no first one
        now = {name for name, words in granted.items() if pinned.get(name) == words}
        assert await client.names() == _names(key, now)
        for name in NAMES:
            for n in (1, 2):
                shop.ran.clear()
                await client.call(offered_name("office", key, name), n)
                runs = name in now and shop.effect(name, {"n": n}) == "allow"
                assert shop.ran == [name] * runs


def _names(key: str, tools: set[str]) -> set[str]:
    return {"cluster_peers", *(offered_name("office", key, name) for name in tools)}


@settings(
    max_examples=20,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.integers(0, 2**64 - 1))
def test_a_list_has_what_is_exposed_accepted_and_not_denied_and_nothing_else_runs(
    seed: int,
) -> None:
    run_simulation(partial(listed_and_called, Random(seed)), seed=seed)
