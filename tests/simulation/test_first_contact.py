"""What two nodes see of each other the moment after they met."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.testing.simulation import Quality, run_simulation
from tests.simulation.mesh import comes_true, mesh_of

if TYPE_CHECKING:
    from clawmatrix_core.testing.simulation import Simulation

DELAY = 0.02
NAMES = ("home", "office", "relay")
LINKS = frozenset({("home", "relay"), ("office", "relay")})


def test_the_latency_shown_is_that_of_the_path_and_not_of_making_a_session() -> None:
    async def main(simulation: Simulation) -> float | None:
        simulation.network.default = Quality(DELAY)
        async with mesh_of(simulation, NAMES, LINKS) as mesh:
            home, office = mesh.hosts["home"].running, NodeId("office")
            await comes_true(lambda: home.reachable(office), within=5, step=0.01)
            assert home.sessions.sending(office) is None
            return (await home.path_status(office, probe=True)).latency_ms

    assert run_simulation(main, seed=1) == pytest.approx(4 * DELAY * 1000, abs=1)


def test_a_node_that_asks_before_it_is_known_is_answered_soon() -> None:
    async def main(simulation: Simulation) -> float:
        simulation.network.default = Quality(DELAY)
        async with mesh_of(simulation, NAMES, LINKS) as mesh:
            home, office = mesh.hosts["home"].running, mesh.hosts["office"].running
            await comes_true(lambda: home.reachable(office.id), within=5, step=0.01)
            own = office.directory.get(home.id)
            assert own is not None
            office.directory.forget(home.id)
            began = anyio.current_time()
            async with home.exchange(office.id, "ping", complete=True) as exchange:
                await anyio.sleep(0.1)
                assert office.counters["session_stranger"] == 1
                office.accept_record(own.signed)
                await exchange.receive()
            return anyio.current_time() - began

    assert run_simulation(main, seed=1) < 0.8
