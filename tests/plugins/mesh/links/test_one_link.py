"""One link per pair, whatever the network does: simulated, on a virtual clock, from seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.testing.simulation import Quality, Simulation, run_simulation
from tests.simulation.mesh import Mesh, mesh_of

if TYPE_CHECKING:
    import random

    from clawmatrix_core.wire.link import Link

DELAYS = (0.001, 0.01, 0.1, 0.4)
SETTLED = 90.0
"""Virtual seconds after which two nodes must have found back to each other."""
QUIET = 60.0
"""Virtual seconds for which they must then leave things as they are."""


async def trouble(mesh: Mesh, rng: random.Random, one: str, other: str) -> None:
    """Do something to two hosts that both come out of."""
    network = mesh.network
    match rng.choice(("break", "block", "crash", "stop")):
        case "break":
            network.break_links(one, other)
        case "block":
            network.block(one, other, one_way=rng.random() < 0.5)
            await anyio.sleep(rng.uniform(0, 20))
            network.unblock(one, other)
        case "crash":
            await mesh.crash(one, silent=rng.random() < 0.7)
            await anyio.sleep(rng.uniform(0, 5))
            await mesh.start(one)
        case "stop":
            await mesh.stop(one)
            await anyio.sleep(rng.uniform(0, 2))
            await mesh.start(one)


def the_link(mesh: Mesh, one: str, other: str) -> Link:
    """Return the one link between two hosts, the same at both ends."""
    here = mesh.hosts[one].running.links.get(NodeId(other))
    there = mesh.hosts[other].running.links.get(NodeId(one))
    assert here is not None, f"{one} has no link"
    assert there is not None, f"{other} has no link"
    assert here.session.id == there.session.id, "each has another link"
    return here


@pytest.mark.parametrize("seed", range(12))
def test_two_nodes_that_dial_each_other_end_with_one_link(seed: int) -> None:
    async def scenario(simulation: Simulation) -> None:
        rng = simulation.random
        # Which key is the smaller one depends on the names.
        one, other = rng.sample(("a", "b", "c", "d", "e", "f"), 2)
        for source, target in ((one, other), (other, one)):
            delay = rng.choice(DELAYS)
            quality = Quality(delay=delay, jitter=delay)
            simulation.network.set_quality(source, target, quality, one_way=True)
        async with mesh_of(
            simulation, [one, other], frozenset({(one, other), (other, one)})
        ) as mesh:
            for _ in range(rng.randrange(5)):
                await anyio.sleep(rng.uniform(0, 3))
                await trouble(mesh, rng, *rng.sample((one, other), 2))
            await anyio.sleep(SETTLED)
            link = the_link(mesh, one, other)
            await anyio.sleep(QUIET)
            assert the_link(mesh, one, other) is link, "the link was replaced without need"
            assert not mesh.faults

    run_simulation(scenario, seed=seed)
