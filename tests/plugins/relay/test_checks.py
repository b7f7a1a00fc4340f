"""Relays that do not relay, told by ``clawmatrix doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.doctor.running import run_checks
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.testing.fixtures import MeshFactory, NodeFactory, wait_until
from clawmatrix_relay.checks import in_the_way, ways
from tests.core.members.members import Member
from tests.plugins.relay.tables import graph_of

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node

pytestmark = pytest.mark.anyio

HOME, OFFICE, HUB, LEAF = (NodeId(name) for name in ("home", "office", "hub", "leaf"))


class Hole:
    """A plugin that takes what should be passed on, and says nothing."""

    plugin_name = "hole"

    def __init__(self) -> None:
        self.open = False

    @hookimpl(tryfirst=True)
    def transit_received(self) -> bool | None:
        return True if self.open else None


async def paths(node: Node) -> list[tuple[str, str, str]]:
    found = [one for one in await run_checks(node.checks()) if one.name == "relay.path"]
    return [(one.status, one.detail, str(one.advice)) for one in found]


def tells_of(node: Node, one: NodeId, other: NodeId) -> bool:
    """Say whether a node knows by one's record that it has a link to the other."""
    peer = node.directory.get(one)
    return peer is not None and other in peer.record.links


async def test_paths_that_answer_are_fine(mesh: MeshFactory) -> None:
    async with mesh({"hub": [], "home": ["hub"], "office": ["hub"]}) as nodes:
        assert [found[:2] for found in await paths(nodes["home"])] == [
            ("ok", "office answers over hub")
        ]
        assert [status for status, *_ in await paths(nodes["hub"])] == ["skipped"]


async def test_a_relay_that_swallows_what_it_should_pass_on_is_named(
    node_factory: NodeFactory,
) -> None:
    hole = Hole()
    home = node_factory("home", dials=["hub"])
    async with node_factory("hub", plugins=[hole]), home, node_factory("office", dials=["hub"]):
        await wait_until(lambda: home.reachable(OFFICE))
        hole.open = True
        [(status, detail, advice)] = await paths(home)
    assert status == "problem"
    assert detail.startswith("hub does not relay: office is behind it by its record, and a probe")
    assert "another relay" in advice


async def test_a_relay_that_says_it_does_not_relay_is_named(node_factory: NodeFactory) -> None:
    home = node_factory("home", dials=["hub"])
    closed = node_factory("hub", config={"relay": {"transit": False}})
    async with closed as hub, home, node_factory("office", dials=["hub"]):
        await wait_until(lambda: hub.links.keys() == {HOME, OFFICE})

        await wait_until(lambda: tells_of(home, HUB, OFFICE) and tells_of(home, OFFICE, HUB))
        [(status, detail, advice)] = await paths(home)
    assert (status, detail) == (
        "problem",
        "the way to office leads through hub, and that does not relay (transit off)",
    )
    assert "transit = true" in advice


async def test_a_member_that_has_gone_is_a_warning(node_factory: NodeFactory) -> None:
    home = node_factory("home", dials=["hub"])
    async with node_factory("hub") as hub, home:
        async with node_factory("office", dials=["hub"]):
            await wait_until(lambda: home.reachable(OFFICE))
        await wait_until(lambda: not hub.reachable(OFFICE) and not home.reachable(OFFICE))
        [(status, detail, _)] = await paths(home)
    assert (status, detail) == ("warning", "office is not reached (no path to it)")


async def test_the_shortest_way_tells_who_is_in_it() -> None:
    links = {
        HUB: {HOME: 1.0, LEAF: 1.0},
        LEAF: {HUB: 1.0, OFFICE: 1.0},
        OFFICE: {LEAF: 1.0},
        HOME: {HUB: 1.0},
    }
    records = [
        Member(name).record(links=dict(there), transit=name != LEAF)
        for name, there in links.items()
    ]
    graph = graph_of(HOME, records)
    before = await ways(HOME, [HUB], graph)
    assert in_the_way(OFFICE, before, graph) == [LEAF]
    assert in_the_way(LEAF, before, graph) == []
    assert in_the_way(NodeId("moon"), before, graph) == []
    assert in_the_way(OFFICE, await ways(HOME, [], graph), graph) == []
