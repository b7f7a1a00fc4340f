"""``make endure``: real nodes for a long time, used, reloaded, restarted and attacked.

``python -m tests.endurance.run --minutes 5 --seed 17`` runs a shorter time with another order of
attacks. The seed decides what is done in which order; how fast the machine is, it does not.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import attrs
import httpx2
from anyio.to_thread import run_sync

from tests.endurance.attacks import ATTACKS, Target, attack
from tests.endurance.traffic import Book, call, look
from tests.endurance.watch import Watch
from tests.endurance.world import World, now, world

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["Report", "endure", "main"]

CALLERS = 4
"""Programs that call at the same time."""
SAMPLES = 400
"""How often memory is looked at, at most."""


@attrs.define
class Report:
    """What came of a run.

    Attributes:
        wrong: what must not have happened, in words.
        calls: how the good calls ended.
        attacks: how often which attack was made.
        lines: what else there is to tell.
    """

    wrong: list[str] = attrs.field(factory=list)
    calls: Counter[str] = attrs.field(factory=Counter)
    attacks: Counter[str] = attrs.field(factory=Counter)
    lines: list[str] = attrs.field(factory=list)


@attrs.define
class Run:
    """One run: everything that goes on at the same time."""

    world: World
    seed: int
    seconds: float
    watch: Watch
    only: Sequence[str]
    book: Book = attrs.field(factory=Book)
    attacks: Counter[str] = attrs.field(factory=Counter)
    wrong: list[str] = attrs.field(factory=list)

    async def all(self) -> None:
        """Run for the time, and return when all that was begun has ended."""
        ends, watching = now() + self.seconds, anyio.CancelScope()
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=CALLERS)
        async with (
            httpx2.AsyncClient(trust_env=False, limits=limits) as client,
            anyio.create_task_group() as around,
        ):
            around.start_soon(self._watch, watching)
            async with anyio.create_task_group() as tasks:
                for number in range(CALLERS):
                    tasks.start_soon(self._callers, f"caller {number}", client, ends)
                tasks.start_soon(self._attacks, ends)
                for name, gap, do in self._others():
                    tasks.start_soon(self._repeat, name, gap, do, ends)
            watching.cancel()

    async def _watch(self, scope: anyio.CancelScope) -> None:
        with scope:
            await self.watch.run(max(0.5, self.seconds / SAMPLES))

    def _others(self) -> list[tuple[str, float, Callable[[random.Random], Awaitable[None]]]]:
        """Return what else is done, each with the seconds between two times, on average."""
        world = self.world
        return [
            ("looks", 1.0, lambda rng: look(world, rng, self.book)),
            ("restarts", min(60.0, self.seconds / 4), world.restart_annex),
            ("visits", min(20.0, self.seconds / 6), world.visit),
            ("reloads", min(15.0, self.seconds / 6), world.reload),
        ]

    async def _callers(self, name: str, client: httpx2.AsyncClient, ends: float) -> None:
        rng = random.Random(f"{name} {self.seed}")
        while now() < ends:
            await call(self.world, client, rng, self.book)
            await anyio.sleep(rng.uniform(0.0, 0.5))

    async def _attacks(self, ends: float) -> None:
        """Make one attack after the other, each of them once before any comes again."""
        world, rng = self.world, random.Random(f"attacks {self.seed}")
        target = Target(world.mesh_port, world.http_port, world.token, "office/newlines")
        while now() < ends:
            for name in rng.sample(self.only, len(self.only)):
                if now() < ends:
                    self.attacks[name] += 1
                    await attack(name, target, rng)
                    await anyio.sleep(rng.uniform(0.0, min(4.0, self.seconds / 50)))

    async def _repeat(
        self,
        name: str,
        gap: float,
        do: Callable[[random.Random], Awaitable[None]],
        ends: float,
    ) -> None:
        rng = random.Random(f"{name} {self.seed}")
        await anyio.sleep(gap * rng.random())
        while now() < ends:
            try:
                await do(rng)
            except Exception as error:  # noqa: BLE001 - one of many; all are reported at the end
                self.wrong.append(f"{name}: {error!r}")
            await anyio.sleep(gap * rng.uniform(0.5, 1.5))


async def endure(
    folder: Path, *, seconds: float, seed: int, only: Sequence[str] = tuple(sorted(ATTACKS))
) -> Report:
    """Run for some seconds, with attacks of these names, and return what came of it.

    Needs asyncio.
    """
    with world(folder) as there:
        watch = Watch(there)
        await run_sync(watch.at_rest)
        run = Run(there, seed, seconds, watch, only)
        await run.all()
        report = Report([*run.wrong, *run.book.wrong], run.book.ended, run.attacks)
        report.wrong += await run_sync(watch.states)
        report.wrong += await run_sync(watch.left_over)
        await run_sync(there.stop)
        report.wrong += [*there.wrong, *watch.judge()]
        report.lines = watch.summary()
        report.lines.append(
            f"annex restarted {there.restarts} times, {there.visits} visits of guests,"
            f" {there.reloads} reloads"
        )
        return report


def main() -> int:
    """Run, print what came of it, and return 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=90.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=sorted(ATTACKS), default=sorted(ATTACKS))
    parser.add_argument("--keep", type=Path, help="a folder for the logs, which stay there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)

        async def run() -> Report:
            seconds = options.minutes * 60
            return await endure(folder, seconds=seconds, seed=options.seed, only=options.only)

        report = anyio.run(run)
    for title, counter in (("calls", report.calls), ("attacks", report.attacks)):
        print(f"{title}: " + ", ".join(f"{what} {n:,}" for what, n in sorted(counter.items())))
    print(*report.lines, sep="\n")
    print(*(report.wrong or ["nothing was wrong"]), sep="\n")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
