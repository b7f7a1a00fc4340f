"""A short story with everything in it that a stream can meet, in which one message suffers.

Two nodes talk by way of two relays: streams of all plans both ways at once, new keys in the
middle, and one of the ways is lost. Of a single message that is lost, late or comes twice,
nobody may notice more than a pause.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.sessions.rekeying import Rekeying
from clawmatrix_core.testing.simulation import Quality
from tests.simulation.injector import FAULTS
from tests.simulation.judge import Scene, settle, tasks_alive
from tests.simulation.mesh import comes_true, mesh_of

if TYPE_CHECKING:
    from collections import Counter

    from clawmatrix_core.testing.simulation import Simulation
    from tests.simulation.mesh import Host, Mesh

__all__ = ["STRIKE", "Ending", "Strike", "tell"]

NAMES = ("asker", "left", "right", "server")
LINKS = frozenset((end, relay) for end in ("asker", "server") for relay in ("left", "right"))
PAUSE = 15.0
"""Seconds in which all has to be over; without a fault it takes three."""
LATEST = max(max(late, default=0.0) for late in FAULTS.values())
"""Seconds after which the last copy of a message has come."""
SOON = 2.0
"""Seconds after all that in which nothing may be left."""
AT_ONCE = 0.5
"""The same where all went well, and nothing has to be asked for again."""
USUAL = frozenset(
    {
        "old_record",
        "relayed",
        "returned",
        "session_worn_out",
        "stray_report",
        "undeliverable_loop",
    }
)
"""What nodes count in a story in which all goes well, since a way is lost in it."""
STREAMS = (("echo", 25, 0), ("pour", 20, 20_000), ("leave", 6, 100), ("fail", 6, 100))
"""Each end's streams: their plans, items, and bytes of each; one begins 0.3 s after the other."""
REKEYING = Rekeying(seconds=0.8)


@attrs.frozen
class Strike:
    """Which message suffers, counted from when the streams begin, and how."""

    kind: str
    number: int
    fault: str


STRIKE = Strike("none", 1, "lost")
"""That of the story in which all goes well."""


@attrs.frozen
class Ending:
    """How a story ended.

    Attributes:
        wrong: what must not have happened.
        passed: how many messages there were of each kind, from when the streams began.
        struck: whether the strike befell one.
        seconds: how long the streams took.
    """

    wrong: list[str]
    passed: Counter[str]
    struck: bool
    seconds: float


async def tell(simulation: Simulation, strike: Strike = STRIKE) -> Ending:
    """Tell the story, and say how it ended."""
    scene, before = Scene(simulation), tasks_alive()
    simulation.network.default = Quality(0.01)
    for end in ("asker", "server"):
        simulation.network.set_quality(end, "right", Quality(0.015))
    async with mesh_of(simulation, NAMES, LINKS, plugins=scene.plugins, rekeying=REKEYING) as mesh:
        await comes_true(lambda: _is_up(mesh), within=10)
        await anyio.sleep(0.5)
        scene.ledger.calm = True
        scene.injector.passed.clear()
        scene.injector.aim(strike.kind, strike.number, strike.fault)
        began = anyio.current_time()
        with anyio.move_on_after(PAUSE):
            await _talk(simulation, scene, mesh)
        seconds = anyio.current_time() - began
        passed, struck = scene.injector.passed.copy(), bool(scene.injector.done)
        if struck:
            await anyio.sleep(LATEST)
        wrong = await settle(mesh, within=SOON if struck else AT_ONCE)
    if tasks_alive() != before:
        wrong.append(f"{tasks_alive() - before} tasks are left over")
    wrong += [*scene.ledger.close(), *mesh.faults, *scene.wiretap.wrong]
    if not struck:
        wrong += [f"{n} times {why}" for why, n in mesh.counters.items() if why not in USUAL]
    return Ending(wrong, passed, struck, seconds)


def _is_up(mesh: Mesh) -> bool:
    return all(
        host.running.reachable(NodeId(name)) and len(host.running.links) == 2
        for host in mesh.up
        for name in NAMES
    )


async def _talk(simulation: Simulation, scene: Scene, mesh: Mesh) -> None:
    async with anyio.create_task_group() as tasks:
        for source, target in (("asker", "server"), ("server", "asker")):
            for number in range(len(STREAMS)):
                tasks.start_soon(_open, scene, mesh.hosts[source], target, number)
        await anyio.sleep(0.5)
        simulation.network.break_links("asker", "left")


async def _open(scene: Scene, source: Host, target: str, number: int) -> None:
    plan, items, size = STREAMS[number]
    rng = random.Random(f"{source.name} {number}")
    await anyio.sleep(0.3 * number)
    flow = scene.flows[source.name]
    await flow.stream(source.running, target, rng, plan=plan, items=items, size=size)
