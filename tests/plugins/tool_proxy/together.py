"""A mesh over real sockets, with all that decides about tools: grants, approvals, audit and relay.

Office has the tools. Home, and whoever goes by its name, reach it through hub unless a test says
otherwise.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs
from msgspec.structs import replace

from clawmatrix_audit.plugin import AuditPlugin
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.members.identity import Identity, fingerprint
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import SECRET, wait_until
from clawmatrix_core.testing.reaching import call_control, reload
from clawmatrix_core.testing.told import ToldConfig
from clawmatrix_grants.plugin import GrantsPlugin
from clawmatrix_mesh.plugin import MeshPlugin
from clawmatrix_tool_proxy.api import ToolFailed, call_tool, list_tools
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from tests.plugins.audit.helpers import entries
from tests.plugins.mesh.conftest import LIMITS, address_of
from tests.plugins.tool_proxy.shop import ShopPlugin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from clawmatrix_core import JSON
    from clawmatrix_core.base.clock import Clock
    from clawmatrix_core.state.folder import State

__all__ = [
    "AT_ONCE",
    "EVERYTHING",
    "FALSE",
    "GRANTED",
    "HOME",
    "HUB",
    "NOTHING",
    "OFTEN",
    "THE_HUB",
    "TRUE",
    "Got",
    "Office",
    "accept",
    "becomes",
    "code_of",
    "got",
    "identity",
    "lines_in",
    "make",
    "named",
    "office",
    "reached",
    "soon",
]

HOME, OFFICE, HUB = map(NodeId, ("home", "office", "hub"))
AT_ONCE = 1.0
"""Seconds within which nothing is left of what was withdrawn."""
_RUNS = count(1)
OFTEN = replace(LIMITS, introductions=0.1)


def identity(word: str) -> Identity:
    return Identity.generate(Random(word).randbytes)


TRUE, FALSE, THE_HUB = map(identity, ("home", "squatter", "hub"))

GRANTED: Final[Mapping[str, Any]] = {"tools": ["echo", "wait"], "rules": [{"ask": ["stream"]}]}
"""What a grant has that the tests give: two tools to call, and one about which people are asked."""


@attrs.frozen
class Got:
    """What a caller gets: a call that is allowed, the list of tools, and a call to approve.

    The calls are told by the word that they end with.
    """

    call: str
    catalog: tuple[str, ...]
    asked: str


EVERYTHING = Got("success", ("echo", "stream", "wait"), "approval_pending")
NOTHING = Got("not_allowed", (), "not_allowed")


def make(
    name: str,
    identity: Identity | None = None,
    *plugins: object,
    peers: Iterable[Node] = (),
    tables: Mapping[str, object] | None = None,
    state: State | None = None,
    random_source: Random | None = None,
    clock: Clock | None = None,
    **mesh: Any,
) -> Node:
    """Make a node with links over TCP; it dials ``peers``, and nobody else unless ``direct``."""
    told = {"listen": "127.0.0.1:0", "heartbeat": 0.5, "direct": False, **mesh}
    table = {"peers": [address_of(peer) for peer in peers], **told}
    raw = {"node_id": name, "secret": SECRET, "mesh": table, **(tables or {})}
    return Node(
        ToldConfig.from_mapping(raw),
        plugins=[MeshPlugin(limits=OFTEN), "relay", *plugins],
        state=state or MemoryState(),
        identity=identity,
        random_source=random_source,
        clock=clock,
    )


@attrs.frozen
class Office:
    """The node with the tools, the relay, and the folder of the audit."""

    node: Node
    hub: Node
    shop: ShopPlugin
    folder: Path

    def caller(
        self, of: Identity | None, *plugins: object, name: str = "home", **more: Any
    ) -> Node:
        """Return a node that calls, over the relay, and writes down what it calls."""
        tables = {"state_dir": str(self.folder / f"{name} {next(_RUNS)}")}
        told = {"peers": [self.hub], "tables": tables, **more}
        return make(name, of, ToolProxyPlugin(), AuditPlugin(), *plugins, **told)

    async def grants(self, table: Mapping[str, Any] | None) -> None:
        """Have another table ``grants`` in force; None leaves it out."""
        config = self.node.config
        assert isinstance(config, ToldConfig)
        others = {name: value for name, value in config.told.items() if name != "grants"}
        told = others if table is None else {**others, "grants": table}
        await self.node.reload(ToldConfig.from_mapping(told))

    async def exposes(self, *tools: str) -> None:
        """Have other tools exposed."""
        await reload(self.node, {"tool-proxy": {"allow": list(tools)}})

    def lines(self, *events: str) -> list[Mapping[str, JSON]]:
        """Return what the audit has about work."""
        return lines_in(self.folder / "office", *events)

    async def approvals(self) -> list[Mapping[str, Any]]:
        """Return the approvals, those that wait and those that were given."""
        found: list[Mapping[str, Any]] = (await call_control(self.node, "approvals.list"))[
            "approvals"
        ]
        return found

    async def approves_nothing(self) -> bool:
        """Say whether no approval waits or was given."""
        return not await self.approvals()

    def known(self, of: Identity, name: NodeId = HOME) -> str:
        """Say how the key of an identity is known to be a name's."""
        return self.node.trust.how_known(name, of.key_text)


def lines_in(folder: Path, *events: str) -> list[Mapping[str, JSON]]:
    """Return what an audit has about work, in order."""
    wanted = events or ("begin", "end", "denied", "approval", "unfinished")
    return [entry.fields for entry in entries(folder / "audit") if entry.event in wanted]


def named(**of: Identity) -> dict[str, str]:
    """Return names with keys, as ``[mesh.introducers]`` has them."""
    return {name: one.key_text for name, one in of.items()}


@asynccontextmanager
async def office(
    folder: Path,
    grants: Mapping[str, Any],
    *,
    hub: tuple[object, ...] = (),
    wait: str = "0s",
    state: State | None = None,
    introducers: Mapping[str, str] | None = None,
    built_in: tuple[str, ...] = (),
    clock: Clock | None = None,
) -> AsyncIterator[Office]:
    """Run office and the relay; ``wait`` is how long a call waits for an approval."""
    shop = ShopPlugin()
    tables = {
        "state_dir": str(folder / "office"),
        "grants": grants,
        "approvals": {"wait": wait},
        "tool-proxy": {"allow": ["echo", "stream", "wait"]},
    }
    proxies = (GrantsPlugin(), ToolProxyPlugin(), AuditPlugin(), shop, *built_in)
    mesh: dict[str, Any] = {} if introducers is None else {"introducers": introducers}
    async with make("hub", THE_HUB, *hub) as relay:
        more = {"peers": [relay], "tables": tables, "state": state, "clock": clock, **mesh}
        node = make("office", None, *proxies, **more)
        async with node:
            yield Office(node, relay, shop, folder)


async def accept(node: Node, name: NodeId, of: Identity) -> None:
    """Have the person at a node compare the key by which it knows a name."""
    await wait_until(lambda: of.sign_public in node.trust.keys(name))
    about = {"node": name, "fingerprint": fingerprint(of.sign_public)}
    await call_control(node, "trust.accept", about)


async def reached(found: Office, caller: Node) -> None:
    """Wait until office and a caller reach each other, by the caller's own key."""
    key = caller.identity.sign_public

    def ready() -> bool:
        known = found.node.directory.get(caller.id)
        return (
            caller.reachable("office")
            and found.node.reachable(caller.id)
            and known is not None
            and known.record.sign_key_bytes() == key
        )

    await wait_until(ready)


async def code_of(caller: Node, tool: str, *, deadline: float = 5.0, **arguments: JSON) -> str:
    """Return the word that a call ends with."""
    try:
        async with call_tool(caller, "office", tool, arguments, deadline=deadline) as call:
            await call.result()
    except ToolFailed as error:
        return error.code
    return "success"


async def catalog(caller: Node) -> tuple[str, ...]:
    return tuple(entry.name for entry in (await list_tools(caller, "office")).entries)


async def becomes(caller: Node, expected: tuple[str, ...]) -> None:
    """Wait until a caller's list of tools reads so, which has to be at once."""

    async def reads_so() -> bool:
        return await catalog(caller) == expected

    await soon(reads_so)


async def soon(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds, which has to be at once."""
    with anyio.fail_after(AT_ONCE):
        while not await holds():  # noqa: ASYNC110 - what others say has no event
            await anyio.sleep(0.01)


async def got(found: Office, caller: Node) -> Got:
    """Return what a caller gets, once it has been told the newest list of tools.

    Nothing but what is told here has begun at office, or waits there.
    """
    before = len(found.shop.began)
    call, asked = await code_of(caller, "echo"), await code_of(caller, "stream")
    began = len(found.shop.began) - before
    assert began == (call == "success"), f"{call}, and {began} began"
    waiting = [one["state"] for one in await found.approvals()]
    assert waiting == ["pending"] * (asked == "approval_pending"), waiting
    expected = EVERYTHING.catalog if call == "success" else ()
    await becomes(caller, expected)
    return Got(call, expected, asked)
