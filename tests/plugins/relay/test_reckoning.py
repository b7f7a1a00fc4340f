"""A node's routes where records are many and dense: in parts, and right in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import attrs
import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.directory import NodeRecord, SignedRecord
from clawmatrix_core.members.record import LINKS_LIMIT
from clawmatrix_core.testing.fixtures import NodeFactory, wait_until
from clawmatrix_relay.reckoning import AT_ONCE, Reckoning

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node

pytestmark = pytest.mark.anyio

HUB = NodeId("hub")


def list_each_other(node: Node, count: int) -> None:
    """Put records of made-up nodes into a directory that list each other and the hub."""
    hub = node.directory.get(HUB)
    assert hub is not None
    like = hub.record
    names = [NodeId(f"made-up-{n}") for n in range(count)]
    links = dict.fromkeys([*names, HUB], 5.0)
    for name in names:
        record = NodeRecord(name, like.sign_key, like.channel_key, 1, 1, "i", links=links)
        node.directory.put_own(record, SignedRecord("", name))
    node.directory.put_own(attrs.evolve(like, epoch=99, links=links), SignedRecord("", HUB))


async def test_dense_records_are_reckoned_with_in_parts_and_links_are_ways_at_once(
    node_factory: NodeFactory,
) -> None:
    home, reckoning = node_factory("home", dials=["hub"]), Reckoning()
    async with node_factory("hub"), home:
        await wait_until(lambda: HUB in home.links and home.directory.get(HUB) is not None)
        list_each_other(home, 300)
        seen = [0]
        for _ in range(3):
            routes = reckoning.compute(home)
            assert routes.keys() == {HUB}
            seen.append(reckoning.looked)
            assert seen[-1] - seen[-2] < AT_ONCE + 4 * LINKS_LIMIT
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reckoning.run, home)
            await wait_until(lambda: len(reckoning.compute(home)) == 301)
            tasks.cancel_scope.cancel()


async def test_a_node_gets_to_the_routes_of_dense_records_by_itself(
    node_factory: NodeFactory,
) -> None:
    home = node_factory("home", dials=["hub"])
    async with node_factory("hub"), home:
        await wait_until(lambda: HUB in home.links and home.directory.get(HUB) is not None)
        list_each_other(home, 200)
        home.compute_routes()
        assert len(home.routes) == 1
        await wait_until(lambda: len(home.routes) == 201)
        home.directory.forget(HUB)
        home.compute_routes()
        await wait_until(lambda: home.routes.keys() == {HUB})
