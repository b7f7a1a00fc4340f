"""Reports of frames that got no further: by whom, to whom, and which are believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.errors import Undeliverable
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.exchange.limits import ExchangeLimits
from clawmatrix_core.testing.fixtures import MeshFactory, wait_until
from clawmatrix_core.wire.codec import Lane
from clawmatrix_core.wire.routes import Route

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node

pytestmark = pytest.mark.anyio

CHAIN: dict[str, list[str]] = {"b": [], "a": ["b"], "c": ["b"], "d": ["c"]}
IMPATIENT = ExchangeLimits(grace=0.3, tick=0.05)


async def settled(nodes: dict[str, Node]) -> None:
    names = [node.id for node in nodes.values()]
    await wait_until(lambda: all(n.reachable(name) for n in nodes.values() for name in names))


async def ping(node: Node, to: str) -> Any:
    async with node.exchange(to, "ping", {"n": 1}, complete=True, deadline=5) as ex:
        return await ex.receive()


def misroute(node: Node, to: str, hop: str) -> None:
    """Have a node believe in a route that does not exist, until routes are computed again."""
    node.stack.ways.routes = {**node.stack.ways.routes, NodeId(to): Route(NodeId(hop), 1.0, 2)}


async def test_frames_pass_over_several_hops_and_are_counted(mesh: MeshFactory) -> None:
    async with mesh(CHAIN) as nodes:
        await settled(nodes)
        assert await ping(nodes["a"], "d") == {"n": 1}
        assert nodes["b"].counters["relayed"] > 0
        assert nodes["c"].counters["relayed"] > 0
        assert nodes["d"].counters["relayed"] == 0


@pytest.mark.parametrize(
    ("at", "hop", "reason"), [("b", "a", "loop"), ("c", "b", "loop"), ("c", "x", "no_route")]
)
async def test_the_origin_is_told_over_all_hops(
    mesh: MeshFactory, at: str, hop: str, reason: str
) -> None:
    async with mesh(CHAIN, limits=IMPATIENT) as nodes:
        await settled(nodes)
        assert await ping(nodes["a"], "d") == {"n": 1}
        relay = nodes[at]
        if reason == "no_route":
            nodes["d"].stop()
            link = relay.links[NodeId("d")]
            link.close("gone")
            await wait_until(lambda: NodeId("d") not in relay.links)
            misroute(nodes["a"], "d", "b")
            misroute(nodes["b"], "d", "c")
        else:
            misroute(relay, "d", hop)
        with pytest.raises(Undeliverable, match="no route to d"):
            await ping(nodes["a"], "d")
        assert relay.counters[f"undeliverable_{reason}"] > 0


GOOD = {"from": "a", "to": "d", "id": "x", "re": False, "seq": 0, "reason": "loop", "ttl": 32}


@pytest.mark.parametrize(
    "report",
    [
        None,
        [],
        "a",
        {},
        *({key: value for key, value in GOOD.items() if key != left} for left in GOOD),
        {**GOOD, "seq": "0"},
        {**GOOD, "ttl": None},
        {**GOOD, "re": 1},
    ],
    ids=repr,
)
async def test_a_report_that_is_none_is_counted(mesh: MeshFactory, report: object) -> None:
    async with mesh({"b": [], "a": ["b"]}) as nodes:
        await wait_until(lambda: "b" in nodes["a"].links)
        a, b = nodes["a"], nodes["b"]
        a.switch.send_to_neighbour(a.links[b.id], "undeliverable", "", report)
        await wait_until(lambda: b.counters["bad_undeliverable"] == 1)


async def test_a_report_of_nothing_known_does_no_harm(mesh: MeshFactory) -> None:
    async with mesh({"b": [], "a": ["b"]}) as nodes:
        await wait_until(lambda: "b" in nodes["a"].links and "a" in nodes["b"].links)
        a, b = nodes["a"], nodes["b"]
        for report in (GOOD, {**GOOD, "from": "nobody"}, {**GOOD, "ttl": 1}, {**GOOD, "seq": -1}):
            b.switch.send_to_neighbour(b.links[a.id], "undeliverable", "", report)
        assert await ping(b, "a") == {"n": 1}
        assert not a.counters["bad_undeliverable"]


async def test_a_report_from_afar_is_not_believed(mesh: MeshFactory) -> None:
    async with mesh(CHAIN) as nodes:
        await settled(nodes)
        assert await ping(nodes["d"], "a") == {"n": 1}
        nodes["d"].switch.transmit(
            NodeId("a"), "undeliverable", "", b"j", b"{}", lane=Lane.INTERACTIVE
        )
        await wait_until(lambda: nodes["a"].counters["unknown_type"] == 1)
        assert not nodes["a"].counters["bad_undeliverable"]
