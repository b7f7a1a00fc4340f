"""Nodes that do not relay: no route leads through them, and they say so to whoever tries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import Undeliverable
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.exchange.limits import ExchangeLimits
from clawmatrix_core.members.record import SignedRecord
from clawmatrix_core.testing.fixtures import NodeFactory, wait_until
from clawmatrix_core.wire.routes import Route
from tests.core.members.members import Member
from tests.plugins.relay.tables import shortest_routes

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node

HOME, OFFICE, LEAF, RELAY = (NodeId(name) for name in ("home", "office", "leaf", "relay"))
NO_TRANSIT = {"relay": {"transit": False}}
IMPATIENT = ExchangeLimits(grace=0.3, tick=0.05)


def test_an_older_record_that_says_nothing_of_it_relays() -> None:
    text = json.loads(Member("office").signed().text)
    del text["transit"]
    assert SignedRecord(json.dumps(text), "").read().transit


def test_routes_go_round_a_node_that_does_not_relay_but_reach_it() -> None:
    links = {
        LEAF: {HOME: 1.0, OFFICE: 1.0},
        RELAY: {HOME: 9.0, OFFICE: 9.0},
        OFFICE: {LEAF: 1.0, RELAY: 9.0},
    }
    records = [
        Member(name).record(links=dict(there), transit=name != LEAF)
        for name, there in links.items()
    ]
    own = Member("home").record(links={LEAF: 1.0, RELAY: 9.0}, transit=False)
    routes = shortest_routes(HOME, {LEAF: 1.0, RELAY: 9.0}, [own, *records])
    assert {name: route.next_hop for name, route in routes.items()} == {
        LEAF: LEAF,
        RELAY: RELAY,
        OFFICE: RELAY,
    }


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_a_mesh_uses_the_node_that_relays(node_factory: NodeFactory) -> None:
    leaf, relay = node_factory("leaf", config=NO_TRANSIT), node_factory("relay")
    home = node_factory("home", dials=["leaf", "relay"])
    office = node_factory("office", dials=["leaf", "relay"])
    async with leaf, relay, home, office:
        await wait_until(lambda: home.reachable(OFFICE) and len(_links_of(home, OFFICE)) == 2)
        await wait_until(lambda: home.routes[OFFICE].next_hop == RELAY)
        await _ping(home, OFFICE)
        assert (leaf.counters["relayed"], relay.counters["relayed"] > 0) == (0, True)
        assert _relay_status(leaf)["transit"] is False


@pytest.mark.anyio
async def test_a_frame_for_others_is_answered_undeliverable(node_factory: NodeFactory) -> None:
    leaf = node_factory("leaf", config=NO_TRANSIT)
    home = node_factory("home", dials=["leaf"], limits=IMPATIENT)
    office = node_factory("office", dials=["leaf"])
    async with leaf, home, office:
        await wait_until(lambda: home.directory.get(OFFICE) is not None)
        assert not home.reachable(OFFICE)
        home.stack.ways.routes = {**home.routes, OFFICE: Route(LEAF, 1.0, 2)}
        with pytest.raises(Undeliverable):
            await _ping(home, OFFICE)
        assert leaf.counters["undeliverable_no_transit"] > 0
        assert leaf.counters["relayed"] == 0
        assert not office.counters


async def _ping(node: Node, to: NodeId) -> None:
    async with node.exchange(to, "ping", complete=True, deadline=5.0) as exchange:
        await exchange.receive()


def _links_of(node: Node, name: NodeId) -> dict[NodeId, float]:
    peer = node.directory.get(name)
    return {} if peer is None else peer.record.links


def _relay_status(node: Node) -> dict[str, object]:
    [section] = [one for one in node.status_sections() if one.name == "relay"]
    found = section.read()
    assert isinstance(found, dict)
    return found
