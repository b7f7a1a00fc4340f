"""Eight nodes for many hours of the virtual clock: misfortunes, calls, and a look at each hour.

After each misfortune the mesh is mended, and all calls after that have to be answered. At the end
of each hour the calls are let end; then nothing of them may be left, and everything that takes
memory is counted.
"""

from __future__ import annotations

import gc
import random
from collections import Counter
from typing import TYPE_CHECKING

import anyio
import attrs
import psutil

from clawmatrix_core.testing.simulation import Quality
from tests.simulation.judge import Scene, settle, tasks_alive
from tests.simulation.mesh import mesh_of, random_graph
from tests.simulation.misfortunes import Misfortunes
from tests.simulation.schedule import QUIET, Schedule, Traffic
from tests.tools.flat import WARM_UP, course

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.testing.simulation import Simulation
    from tests.simulation.mesh import Links, Mesh

__all__ = ["Hour", "Report", "endure"]

NODES = 8
STEADY = 2
"""Nodes that are never ended, and so have all the hours to leak in."""
HOUR = 3600.0
GAP = 15.0
"""Seconds between calls, on average."""
OBJECTS_GROWN = 0.03
"""The growth of the process's objects over all hours, as a share of their median, at most."""
OBJECTS_MOST = 0.3
"""The excess of the objects over their median at the end of any hour, as a share of it, at most."""
MEMORY_GROWN = 16 * 2**20
"""Bytes by which the process may grow over all hours."""
MEMORY_MOST = 64 * 2**20
"""Bytes by which the process may be larger than its median at the end of any hour."""
ENOUGH = 10
"""Hours of which the memory can be judged; in fewer the nodes still warm up."""


@attrs.frozen
class Hour:
    """What there is at the end of an hour, when all calls have ended.

    Attributes:
        number: the hour, counted from 1.
        resident: bytes of the process.
        objects: how many objects there are.
        tasks: how many tasks run.
        calls: how the calls of the hour ended.
        good: how many of these had to end as planned.
    """

    number: int
    resident: int
    objects: int
    tasks: int
    calls: Counter[str]
    good: int


@attrs.define
class Report:
    """What came of all hours.

    Attributes:
        wrong: what must not have happened, in words.
        hours: one after the other.
        done: how often which misfortune came.
        warm: how many objects there were of each type after the warm-up.
        last: how many there are now.
    """

    wrong: list[str] = attrs.field(factory=list)
    hours: list[Hour] = attrs.field(factory=list)
    done: Counter[str] = attrs.field(factory=Counter)
    warm: Counter[str] = attrs.field(factory=Counter)
    last: Counter[str] = attrs.field(factory=Counter)

    @property
    def calls(self) -> Counter[str]:
        """How all calls ended."""
        return sum((hour.calls for hour in self.hours), Counter())

    @property
    def good(self) -> int:
        """How many calls had to end as planned."""
        return sum(hour.good for hour in self.hours)

    def judge(self) -> None:
        """Add to ``wrong`` how far memory was not flat."""
        if len(self.hours) < ENOUGH:
            return
        objects = course([(hour.number, hour.objects) for hour in self.hours])
        resident = course([(hour.number, hour.resident) for hour in self.hours])
        self.wrong += objects.wrong(
            "the number of objects",
            grown=OBJECTS_GROWN * objects.middle,
            most=OBJECTS_MOST * objects.middle,
        )
        self.wrong += resident.wrong("memory", grown=MEMORY_GROWN, most=MEMORY_MOST)

    def grown(self) -> list[tuple[str, int]]:
        """Return of which types there are more in the last hour than after the warm-up."""
        return (self.last - self.warm).most_common(15)


class HourlyMisfortunes(Misfortunes):
    """Those that do not change how many nodes there are."""

    GENTLE = (
        Misfortunes.tamper,
        Misfortunes.slow_down,
        Misfortunes.shuffle,
        Misfortunes.jump,
        Misfortunes.rotate,
    )
    HARD = (
        Misfortunes.partition,
        Misfortunes.partition,
        Misfortunes.one_way,
        Misfortunes.crash,
        Misfortunes.sever,
        Misfortunes.renew,
        Misfortunes.change_key,
    )


@attrs.define
class Course:
    """The hours of one mesh."""

    simulation: Simulation
    scene: Scene
    mesh: Mesh
    misfortunes: Misfortunes
    schedule: Schedule
    qualities: dict[tuple[str, str], Quality]
    hours: int
    hour: float
    report: Report = attrs.field(factory=Report)

    async def run(self, told: Callable[[Hour], None]) -> None:
        """Live through the hours, and tell of each."""
        await self.schedule.expect_statuses("at the start")
        for number in range(1, self.hours + 1):
            await self._hour(number)
            told(self.report.hours[-1])

    async def _hour(self, number: int) -> None:
        rng = random.Random(self.simulation.random.getrandbits(64))
        traffic = Traffic(self.mesh, self.scene.flows, rng, GAP)
        ends = anyio.current_time() + self.hour
        with anyio.move_on_after(self.hour + HOUR) as limit:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(traffic.run)
                while anyio.current_time() < ends:
                    await self._misfortune(f"in hour {number}")
                traffic.end()
                limit.deadline = anyio.current_time() + QUIET
        if limit.cancelled_caught:
            self._wrong(number, ["calls did not end"])
        self._wrong(number, await settle(self.mesh))
        self._close(number)

    async def _misfortune(self, when: str) -> None:
        """Let a while pass in quiet, have something happen, and mend it."""
        rng = self.simulation.random
        await anyio.sleep(rng.uniform(60, 900))
        if rng.random() < 0.4:
            await self.misfortunes.gentle()
            return
        for _ in range(rng.randint(1, 2)):
            await self.misfortunes.hard()
            await anyio.sleep(rng.uniform(0, 120))
        self.misfortunes.heal()
        for (a, b), quality in self.qualities.items():
            self.mesh.network.set_quality(a, b, quality)
        await self.misfortunes.restart()
        await self.schedule.expect_reunion()
        await self.schedule.expect_statuses(when, patience=True)

    def _close(self, number: int) -> None:
        """Look at what is there, and forget what the tests have noted themselves."""
        ledger, scene = self.scene.ledger, self.scene
        calls, good = ledger.endings, ledger.unexcused
        ledger.unexcused = 0
        self._wrong(number, [*ledger.turn_page(), *self._states()])
        self._wrong(number, [*self.schedule.wrong, *scene.wiretap.wrong, *self.mesh.faults])
        for notes in (self.schedule.wrong, scene.wiretap.wrong, self.mesh.faults):
            notes.clear()
        scene.wiretap.forget()
        self.schedule.statuses.clear()
        self.simulation.trace.clear()
        gc.collect()
        resident, report = psutil.Process().memory_info().rss, self.report
        report.last = Counter(type(thing).__qualname__ for thing in gc.get_objects())
        if number <= max(1, self.hours * WARM_UP):
            report.warm = report.last
        objects = report.last.total()
        report.hours.append(Hour(number, resident, objects, tasks_alive(), calls, good))

    def _states(self) -> list[str]:
        """Return which plugins were taken out, or failed in anything."""
        return [
            f"{host.name}: {info.name} is {info.state}: {info.reason or info.last_fault}"
            for host in self.mesh.up
            for info in host.running.plugins.list()
            if info.state == "failed" or info.faults
        ]

    def _wrong(self, number: int, found: list[str]) -> None:
        self.report.wrong += [f"hour {number}: {one}" for one in found]


async def endure(
    simulation: Simulation,
    hours: int,
    told: Callable[[Hour], None] = lambda _: None,
    *,
    hour: float = HOUR,
) -> Report:
    """Let eight nodes live for some hours of so many seconds, and return what came of it."""
    rng, scene = simulation.random, Scene(simulation)
    names = [f"n{number}" for number in range(NODES)]
    links: Links = random_graph(rng, names, 3.0, mutual=0.2)
    qualities = {pair: Quality(rng.uniform(0.001, 0.1)) for pair in sorted(links)}
    for (a, b), quality in qualities.items():
        simulation.network.set_quality(a, b, quality)
    before = tasks_alive()
    async with (
        mesh_of(simulation, names, links, plugins=scene.plugins) as mesh,
        anyio.create_task_group() as tasks,
    ):
        misfortunes = HourlyMisfortunes(simulation, scene, mesh, links, tasks)
        misfortunes.steady = frozenset(names[:STEADY])
        schedule = Schedule(rng, scene, mesh, misfortunes)
        course_ = Course(simulation, scene, mesh, misfortunes, schedule, qualities, hours, hour)
        await course_.run(told)
    report = course_.report
    report.done = misfortunes.done
    report.wrong += [f"at the end: {one}" for one in mesh.faults]
    if tasks_alive() != before:
        report.wrong.append(f"{tasks_alive() - before} tasks are left over")
    report.judge()
    return report
