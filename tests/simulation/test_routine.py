"""What a mesh costs while nothing happens: bounded, and counted."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.testing.simulation import Quality, run_simulation
from tests.simulation.mesh import mesh_of, random_graph
from tests.simulation.truth import status_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clawmatrix_core.testing.simulation import Simulation
    from clawmatrix_core.wire.frames import Frame
    from tests.simulation.mesh import Mesh

NODES = 12
HEARTBEATS = 60 / 5 / 0.8
"""What one end of a link sends in a minute at most: one in 5 s, less a fifth."""


class Census:
    """Counts the frames that nodes hear, by type."""

    plugin_name = "census"

    def __init__(self) -> None:
        self.heard: Counter[str] = Counter()

    @hookimpl(tryfirst=True)
    @frame_types("heartbeat", "heartbeat_ack", "digest", "records", "ping")
    def frame_received(self, frame: Frame) -> None:
        """Count; others take it."""
        self.heard[frame.header.type] += 1


class Minute:
    """What a mesh did between two moments, for each minute and node, or link end."""

    def __init__(self, mesh: Mesh, census: Census) -> None:
        self._mesh = mesh
        self._census = census

    def start(self) -> None:
        """Begin to count."""
        self._census.heard.clear()
        self._began = anyio.current_time()
        self._frames = self._all_frames()
        self._written = self._records_written()

    @property
    def _minutes(self) -> float:
        return (anyio.current_time() - self._began) / 60

    def of_type(self, type_: str) -> float:
        """Return how many frames of a type a node heard."""
        return self._census.heard[type_] / self._minutes / len(self._mesh.up)

    def frames(self) -> float:
        """Return how many frames of any kind one end of a link heard."""
        ends = sum(len(host.running.links) for host in self._mesh.up)
        return (self._all_frames() - self._frames) / self._minutes / ends

    def records(self) -> float:
        """Return how many records a node wrote."""
        return (self._records_written() - self._written) / self._minutes / len(self._mesh.up)

    def _all_frames(self) -> int:
        return sum(link.frames_in for host in self._mesh.up for link in host.running.links.values())

    def _records_written(self) -> int:
        peers = (host.running.directory.get(host.running.id) for host in self._mesh.up)
        return sum(peer.record.seq for peer in peers if peer is not None)


@asynccontextmanager
async def quiet_mesh(
    simulation: Simulation, census: Census, *, jitter: float
) -> AsyncIterator[Mesh]:
    """Give a mesh that has had two minutes to settle."""
    names = [f"n{number:02}" for number in range(NODES)]
    simulation.network.default = Quality(0.02, jitter=jitter)
    links = random_graph(simulation.random, names, 3.5)
    async with mesh_of(simulation, names, links, plugins=lambda _: [census]) as mesh:
        await anyio.sleep(120)
        yield mesh


def test_a_quiet_mesh_sends_heartbeats_and_nothing_else(
    record_property: Callable[[str, object], None],
) -> None:
    async def main(simulation: Simulation) -> None:
        census = Census()
        async with quiet_mesh(simulation, census, jitter=0.0) as mesh:
            minute = Minute(mesh, census)
            minute.start()
            await anyio.sleep(600)
            record_property("frames each end of a link hears in a minute", minute.frames())
            assert minute.of_type("digest") == minute.of_type("records") == 0
            assert minute.of_type("ping") == minute.records() == 0
            assert minute.frames() <= 2 * HEARTBEATS

    run_simulation(main, seed=1)


def test_round_trips_that_keep_changing_are_told_in_moderation(
    record_property: Callable[[str, object], None],
) -> None:
    async def main(simulation: Simulation) -> None:
        census = Census()
        async with quiet_mesh(simulation, census, jitter=0.2) as mesh:
            minute = Minute(mesh, census)
            minute.start()
            await anyio.sleep(600)
            record_property("records a node writes in a minute", minute.records())
            record_property("frames each end of a link hears in a minute", minute.frames())
            assert 0 < minute.records() <= 6, "one in ten seconds at most"
            # Over each link each record comes once, or twice where both ends are told at once.
            assert minute.frames() <= 2 * HEARTBEATS + 2 * minute.records() * NODES
            assert minute.of_type("digest") <= 1

    run_simulation(main, seed=1)


def test_paths_are_probed_for_as_long_as_somebody_is_interested(
    record_property: Callable[[str, object], None],
) -> None:
    async def main(simulation: Simulation) -> None:
        census = Census()
        async with quiet_mesh(simulation, census, jitter=0.0) as mesh:
            assert not await status_errors(mesh, [])
            minute = Minute(mesh, census)
            minute.start()
            await anyio.sleep(300)
            record_property("pings a node hears in a minute", minute.of_type("ping"))
            assert 0 < minute.of_type("ping") <= (NODES - 1) / 0.8
            await anyio.sleep(600)
            minute.start()
            await anyio.sleep(300)
            assert minute.of_type("ping") == 0

    run_simulation(main, seed=1)
