"""Stories about single rules of paths and links. Each raises AssertionError where its is broken."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.errors import ExchangeError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.testing.simulation import Quality, run_simulation
from clawmatrix_core.wire.codec import TTL_START
from clawmatrix_core.wire.routes import Route
from tests.simulation.judge import check
from tests.simulation.mesh import mesh_of
from tests.simulation.schedule import backend_of, play

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.simulation import Simulation
    from clawmatrix_core.wire.frames import Transit
    from tests.simulation.mesh import Mesh

__all__ = ["all_dial_all", "ring_of_routes", "survive"]


def survive(seed: int) -> None:
    """A mesh with the misfortunes of a seed keeps every promise."""
    check(run_simulation(play, seed=seed, backend=backend_of(seed)))


def all_dial_all(seed: int) -> None:
    """Nodes that all dial each other at the same time keep one link for each pair, for good."""

    async def main(simulation: Simulation) -> None:
        names = [f"n{number}" for number in range(5)]
        for a, b in combinations(names, 2):
            delay = simulation.random.uniform(0.001, 0.1)
            simulation.network.set_quality(a, b, Quality(delay))
        async with mesh_of(simulation, names, frozenset(permutations(names, 2))) as mesh:
            await anyio.sleep(15)
            settled = _links(mesh)
            assert len(settled) == 10, "a pair without a link that both ends know"
            dials = sum(event[1] == "open" for event in simulation.trace)
            assert dials <= 20, "somebody had to dial again"
            await anyio.sleep(300)
            assert _links(mesh) == settled, "a link was exchanged for another one"

    run_simulation(main, seed=seed)


def _links(mesh: Mesh) -> set[bytes]:
    """Return the sessions of the links that are open at both ends."""
    ends = [link.session.id for host in mesh.up for link in host.running.links.values()]
    return {id_ for id_ in ends if ends.count(id_) == 2}


class Passages:
    """Counts what a relay is given to pass on."""

    plugin_name = "passages"

    def __init__(self) -> None:
        self.count = 0

    @hookimpl(tryfirst=True)
    def transit_received(self, transit: Transit) -> None:
        """Count; ``relay`` passes it on."""
        self.count += 1


def ring_of_routes(seed: int) -> None:
    """Frames that are sent round in a circle come to an end, and so does their exchange."""

    async def main(simulation: Simulation) -> None:
        ring = ["one", "two", "three"]
        links = {("asker", "one"), ("one", "two"), ("two", "three"), ("three", "one")}
        names = ["asker", *ring, "target"]
        passages = Passages()
        simulation.network.default = Quality(0.05)  # without a ttl: 160 hops of a frame, not 800
        async with mesh_of(
            simulation,
            names,
            frozenset(links | {("target", "three")}),
            plugins=lambda _: [passages],
        ) as mesh:
            await anyio.sleep(20)
            asker = mesh.hosts["asker"].running
            await _ping(asker)
            for here, there in zip(ring, [*ring[1:], ring[0]], strict=True):
                wrong = Route(NodeId(there), 1.0, 1)
                ways = mesh.hosts[here].running.stack.ways
                ways.routes = {**ways.routes, NodeId("target"): wrong}
            before = passages.count
            with pytest.raises(ExchangeError):
                await _ping(asker)
            sent = asker.links[NodeId("one")].frames_out
            assert passages.count - before <= sent * TTL_START
            await anyio.sleep(30)
            assert sum(host.running.counters["undeliverable_ttl"] for host in mesh.up) > 0
            quiet = passages.count
            await anyio.sleep(30)
            assert passages.count == quiet, "something still goes round"

    run_simulation(main, seed=seed)


async def _ping(node: Node) -> None:
    async with node.exchange("target", "ping", complete=True, deadline=8.0) as ex:
        await ex.receive()
