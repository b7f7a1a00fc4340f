"""Traffic leaves nothing behind: after the third round there is no more of anything than before."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from typing import TYPE_CHECKING, get_args

import pytest
from anyio.lowlevel import checkpoint

from clawmatrix_core.exchange.exchange import Exchange
from clawmatrix_core.exchange.windows import Inbox, Outbox, Outgoing
from clawmatrix_core.sessions.session import Session
from clawmatrix_core.testing.simulation import run_simulation
from clawmatrix_core.testing.simulation.loop import Backend, VirtualLoop
from clawmatrix_core.wire.frames import Frame
from tests.simulation.judge import Scene, settle, tasks_alive
from tests.simulation.traffic import PLANS
from tests.simulation.trials import a_stream, two_with_relays

if TYPE_CHECKING:
    from clawmatrix_core.testing.simulation import Simulation
    from tests.simulation.mesh import Mesh

PASSING = (Exchange, Inbox, Outbox, Outgoing, Frame)
"""What there must be none of when all streams have ended."""


def inventory(mesh: Mesh) -> Counter[str]:
    """Return how many there are of all that traffic makes."""
    gc.collect()
    kinds = Counter(type(thing).__name__ for thing in gc.get_objects())
    found = Counter({kind.__name__: kinds[kind.__name__] for kind in (*PASSING, Session)})
    found["tasks"] = tasks_alive()
    found["timers"] = timers()
    found["sessions"] = sum(len(host.running.sessions.all) for host in mesh.up)
    return found


def timers() -> int:
    """Return how many timers asyncio still has; trio has none but those of its tasks."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return 0
    assert isinstance(loop, VirtualLoop)
    return loop.timers


@pytest.mark.parametrize("backend", get_args(Backend))
def test_streams_leave_nothing_behind(backend: Backend) -> None:
    async def main(simulation: Simulation) -> list[Counter[str]]:
        scene, rounds = Scene(simulation), []
        async with two_with_relays(simulation, scene) as mesh:
            for _ in range(3):
                for plan in PLANS:
                    await a_stream(scene, mesh, plan)
                assert not await settle(mesh, within=5)
                await checkpoint()  # trio holds on to what woke this task, and its frames
                rounds.append(inventory(mesh))
        return rounds

    _, second, third = run_simulation(main, seed=1, backend=backend)
    assert third == second
    assert not any(third[kind.__name__] for kind in PASSING)
