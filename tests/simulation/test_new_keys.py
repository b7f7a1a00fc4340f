"""New keys for links, whatever becomes of other ways between their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.sessions.rekeying import Rekeying
from clawmatrix_core.testing.simulation import Quality, run_simulation
from tests.simulation.mesh import comes_true, mesh_of

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.simulation import Simulation

NAMES = ("home", "office", "relay")
LINKS = frozenset({("home", "office"), ("home", "relay"), ("office", "relay")})
REKEYING = Rekeying(seconds=8.0)
"""In twice the time keys are no good: sooner than a silent link is known to be dead."""


@pytest.mark.parametrize("seed", range(5))
def test_a_link_always_has_keys_although_the_shorter_way_is_dead_and_not_known_to_be(
    seed: int,
) -> None:
    async def main(simulation: Simulation) -> None:
        network = simulation.network
        network.default = Quality(0.01)
        network.set_quality("home", "office", Quality(0.2))
        async with mesh_of(simulation, NAMES, LINKS, rekeying=REKEYING, heartbeat=10.0) as mesh:
            home, office = (mesh.hosts[name].running for name in ("home", "office"))
            assert await comes_true(lambda: _are_linked_but_go_round(home, office), within=30)
            await anyio.sleep(simulation.random.uniform(0, 8))
            for end in ("home", "office"):
                network.block(end, "relay")
            keyless = await comes_true(lambda: not _have_keys(home, office), within=30, step=0.1)
            assert not keyless

    run_simulation(main, seed=seed)


def _are_linked_but_go_round(home: Node, office: Node) -> bool:
    ways = (home.routes.get(office.id), office.routes.get(home.id))
    linked = office.id in home.links and home.id in office.links
    return linked and all(way is not None and way.next_hop == NodeId("relay") for way in ways)


def _have_keys(home: Node, office: Node) -> bool:
    links = ((home, home.links[office.id]), (office, office.links[home.id]))
    return all(node.sessions.sending_on(link.session) is not None for node, link in links)
