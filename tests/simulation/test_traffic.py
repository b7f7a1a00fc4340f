"""The traffic of a simulation, which has to end when it is told to."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.testing.simulation import run_simulation
from tests.simulation.judge import Scene
from tests.simulation.schedule import Traffic, backend_of
from tests.simulation.trials import two_with_relays

if TYPE_CHECKING:
    from clawmatrix_core.testing.simulation import Simulation


@pytest.mark.parametrize("seed", [0, 1])
def test_traffic_that_is_told_to_end_in_a_long_pause_opens_no_more(seed: int) -> None:
    async def main(simulation: Simulation) -> None:
        scene = Scene(simulation)
        async with two_with_relays(simulation, scene) as mesh:
            traffic = Traffic(mesh, scene.flows, random.Random(seed), gap=1e6)
            await _told_to_end(traffic, after=1.0, within=1.0)
        assert not scene.ledger.streams

    run_simulation(main, seed=seed, backend=backend_of(seed))


@pytest.mark.parametrize("seed", [0, 1])
def test_traffic_lets_all_that_it_opened_end(seed: int) -> None:
    async def main(simulation: Simulation) -> None:
        scene = Scene(simulation)
        async with two_with_relays(simulation, scene) as mesh:
            traffic = Traffic(mesh, scene.flows, random.Random(seed), gap=0.5)
            await _told_to_end(traffic, after=20.0, within=40.0)
        assert len(scene.ledger.streams) > 20
        assert not scene.ledger.close()

    run_simulation(main, seed=seed, backend=backend_of(seed))


async def _told_to_end(traffic: Traffic, *, after: float, within: float) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(traffic.run)
        await anyio.sleep(after)
        traffic.end()
        told = anyio.current_time()
    assert anyio.current_time() - told < within
