"""A schedule: what goes wrong in a mesh, when, from a seed; and what must hold after it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.sessions.rekeying import Rekeying
from clawmatrix_core.testing.simulation import Quality
from tests.simulation.judge import Outcome, Scene, judge, settle, still_in, tasks_alive
from tests.simulation.mesh import comes_true, mesh_of, random_graph
from tests.simulation.misfortunes import Misfortunes
from tests.simulation.traffic import PLANS
from tests.simulation.truth import components, open_pairs, route_errors, status_errors

if TYPE_CHECKING:
    from clawmatrix_core.testing.simulation import Simulation
    from clawmatrix_core.testing.simulation.loop import Backend
    from clawmatrix_core.wire.routes import PathStatus
    from tests.simulation.mesh import Host, Mesh
    from tests.simulation.traffic import FlowPlugin

__all__ = ["QUIET", "Schedule", "Traffic", "backend_of", "play"]

HEARTBEAT = 5.0
FLOODING = 4.0
SETTLED = 3 * HEARTBEAT * 1.2 + FLOODING
"""Seconds after a change in which every status must have become right again."""
REUNION = 120.0
"""Seconds in which links must be back: the longest wait between dials, and a dial's time."""
QUIET = 60.0
"""Seconds after the end of a schedule in which all streams must have ended."""
LIMIT = 3600.0
"""Seconds a schedule takes at most."""


def backend_of(seed: int) -> Backend:
    """Return what a seed is played on: every other one on trio."""
    return "trio" if seed % 2 else "asyncio"


class Schedule:
    """The course of one mesh's misfortunes, and what is expected in between."""

    def __init__(
        self, rng: random.Random, scene: Scene, mesh: Mesh, misfortunes: Misfortunes
    ) -> None:
        self.wrong: list[str] = []
        self.looks = 0
        self.statuses: list[tuple[str, str, PathStatus]] = []
        self._rng = rng
        self._mesh = mesh
        self._misfortunes = misfortunes
        self._ledger = scene.ledger
        self._injector = scene.injector

    async def run(self) -> None:
        """Play some rounds of misfortune, then mend everything that can be."""
        rng, misfortunes = self._rng, self._misfortunes
        await self.expect_statuses("at the start")
        for _ in range(rng.randint(1, 4)):
            await misfortunes.gentle()
            await anyio.sleep(rng.uniform(0, 6))
        for number in range(rng.choice((1, 1, 2))):
            for _ in range(rng.randint(1, 3)):
                await misfortunes.hard()
                await anyio.sleep(rng.uniform(0, 8))
                if rng.random() < 0.5:
                    await misfortunes.gentle()
            if rng.random() < 0.3:
                misfortunes.heal()
            if rng.random() < 0.5:
                await misfortunes.restart()
            await self.expect_statuses(f"in round {number}")
        misfortunes.heal()
        if rng.random() < 0.7 or misfortunes.outcast:
            await misfortunes.restart()
        self._injector.rest()
        await self.expect_reunion()
        await self.expect_statuses("in the end", patience=True)

    async def expect_statuses(self, when: str, *, patience: bool = False) -> None:
        """Wait until every status is right, or nothing has changed for as long as that may take.

        With ``patience``, wait so long in any case: what is right may become wrong.
        """
        seen, since, errors = self._state(), anyio.current_time(), {"not looked at"}
        while errors and anyio.current_time() - since < SETTLED:
            await anyio.sleep(2.0)
            now, storms = self._state(), self._ledger.storms
            if now != seen:
                seen, since = now, anyio.current_time()
            elif not patience or anyio.current_time() - since >= SETTLED:
                errors = await self._errors()
        if errors:  # a link may be up at one end, and be refused by the other in a moment
            await anyio.sleep(1.0)
            errors &= await self._errors()
        if self._state() == seen:
            self.wrong += [f"{when}: {error}" for error in sorted(errors)]
            self.looks += 1
            if not errors and storms == self._ledger.storms:
                self._take_heart()

    async def _errors(self) -> set[str]:
        """Return which routes and statuses are wrong; who was revoked may not know it."""
        errors = route_errors(self._mesh) + await status_errors(self._mesh, self.statuses)
        return {error for error in errors if error.split()[0] not in self._out}

    def _state(self) -> object:
        up = [(host.name, host.runs) for host in self._mesh.up]
        return open_pairs(self._mesh), up

    def _take_heart(self) -> None:
        """Note who reaches everybody now, and will until the next storm."""
        members = [host.name for host in self._mesh.up if host.name not in self._out]
        part = components(members, [pair for pair in open_pairs(self._mesh) if pair <= {*members}])
        self._ledger.unreached = frozenset(self._mesh.hosts.keys() - {*members})
        self._ledger.calm = len(set(part.values())) == 1

    @property
    def _out(self) -> frozenset[str]:
        return frozenset((self._misfortunes.outcast or ())[:1])

    async def expect_reunion(self) -> None:
        """Wait until all that are up and can be linked reach each other."""
        if not await comes_true(lambda: not self._apart(), within=REUNION):
            self.wrong += [f"not reunited: {pair}" for pair in self._apart()]

    def _apart(self) -> list[str]:
        members = [host for host in self._mesh.up if host.name not in self._out]
        names = {host.name for host in members}
        links = [frozenset(link) for link in self._misfortunes.links if names.issuperset(link)]
        possible = components(names, links)
        return [
            f"{host.name} to {name}"
            for host in members
            for name in sorted(names)
            if possible[name] == possible[host.name] and not host.running.reachable(NodeId(name))
        ]


class Traffic:
    """Streams between random nodes, one every ``gap`` seconds on average."""

    def __init__(
        self, mesh: Mesh, flows: dict[str, FlowPlugin], rng: random.Random, gap: float = 2.0
    ) -> None:
        self._mesh = mesh
        self._flows = flows
        self._rng = rng
        self._gap = gap
        self._over = anyio.Event()

    async def run(self) -> None:
        """Open streams until told to end; return when all have ended."""
        async with anyio.create_task_group() as streams:
            while not await self._is_over(within=self._rng.expovariate(1 / self._gap)):
                streams.start_soon(self._open, random.Random(self._rng.getrandbits(64)))

    async def _is_over(self, *, within: float) -> bool:
        """Wait for the next stream's time, or for the end: pauses may last for minutes."""
        with anyio.move_on_after(within):
            await self._over.wait()
        return self._over.is_set()

    async def _open(self, rng: random.Random) -> None:
        source = rng.choice(self._mesh.up)
        target = rng.choice([name for name in self._mesh.hosts if name != source.name])
        await self._flows[source.name].stream(
            source.running,
            target,
            rng,
            plan=rng.choice(PLANS),
            deadline=rng.choice((None, None, rng.uniform(1, 30))),
        )

    def end(self) -> None:
        """Open no more."""
        self._over.set()


async def play(simulation: Simulation) -> Outcome:
    """Make a mesh, let it carry traffic through its misfortunes, and return how that went."""
    rng, scene = simulation.random, Scene(simulation)
    before = tasks_alive()
    names = [f"n{number:02}" for number in range(min(rng.randint(5, 20) for _ in range(5)))]
    links = random_graph(rng, names, rng.uniform(2.2, 4.0), mutual=0.2)
    for a, b in sorted(links):
        simulation.network.set_quality(a, b, Quality(rng.uniform(0.001, 0.1)))
    rekeying = rng.choice((None, Rekeying(seconds=rng.uniform(10, 60), bodies=400)))
    advertised = {name for name in names if rng.random() < 0.2}

    def advertise(host: Host) -> list[str]:
        return [f"memory://{host.name}"] if host.name in advertised else []

    async with mesh_of(
        simulation, names, links, plugins=scene.plugins, rekeying=rekeying, advertise=advertise
    ) as mesh:
        async with anyio.create_task_group() as tasks:
            misfortunes = Misfortunes(simulation, scene, mesh, links, tasks)
            schedule = Schedule(rng, scene, mesh, misfortunes)
            traffic = Traffic(mesh, scene.flows, random.Random(rng.getrandbits(64)))
            await _run(schedule, traffic)
        schedule.wrong += await settle(mesh)
        if misfortunes.outcast is not None:
            schedule.wrong += still_in(mesh, misfortunes.outcast[0])
    if tasks_alive() != before:
        schedule.wrong.append(f"{tasks_alive() - before} tasks are left over")
    return judge(scene, mesh, schedule, misfortunes, anyio.current_time())


async def _run(schedule: Schedule, traffic: Traffic) -> None:
    with anyio.move_on_after(LIMIT) as limit:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(traffic.run)
            await schedule.run()
            traffic.end()
            limit.deadline = anyio.current_time() + QUIET
    if limit.cancelled_caught:
        schedule.wrong.append("streams did not end")
