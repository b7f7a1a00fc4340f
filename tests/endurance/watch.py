"""What the nodes of the endurance run take of the machine, and whether that stays flat."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import anyio
import attrs
import psutil
from anyio.to_thread import run_sync

from tests.endurance.world import STEADY, Node, World, now
from tests.integration.conftest import wait_for
from tests.tools.flat import course

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Watch"]

MB = 2**20
GROWN = 16 * MB
"""Bytes by which a node may grow over the whole run, after the warm-up."""
MOST = 64 * MB
"""Bytes by which a node may be larger than its median at any time."""
ENOUGH = 240.0
"""Seconds from which on memory is judged; in a shorter run the nodes still warm up."""
SPARE = 4
"""Descriptors more than before that a node may have at the end."""
REST = 120.0
"""Seconds in which a node that nobody uses any more has let go of everything."""
LOG = 2 * MB
"""Bytes of its log that a node writes in an hour at most, whatever comes."""
ALARMS = re.compile(
    r"Traceback|never retrieved|never awaited|ResourceWarning|was taken out|Too many open files"
)


@attrs.define
class Watch:
    """Samples of the nodes that run all the time.

    Attributes:
        memory: pairs of time and resident bytes, by node.
        descriptors: pairs of time and open descriptors, by node.
        before: descriptors of each node at rest, before the first call.
        refused: what each node refused, by reason; see ``states``.
        began: when the first sample was taken.
    """

    world: World
    memory: dict[str, list[tuple[float, float]]] = attrs.field(factory=dict)
    descriptors: dict[str, list[tuple[float, float]]] = attrs.field(factory=dict)
    before: dict[str, int] = attrs.field(factory=dict)
    refused: dict[str, dict[str, int]] = attrs.field(factory=dict)
    began: float = attrs.field(factory=now)

    @property
    def _steady(self) -> dict[str, tuple[Node, psutil.Process]]:
        found = {}
        for name in STEADY:
            node = self.world.nodes[name]
            assert node.process is not None
            found[name] = (node, psutil.Process(node.process.pid))
        return found

    def at_rest(self) -> None:
        """Note what each node has before anybody uses it."""
        self.before = {name: process.num_fds() for name, (_, process) in self._steady.items()}

    def sample(self) -> None:
        """Note what each node has now."""
        for name, (_, process) in self._steady.items():
            self.memory.setdefault(name, []).append((now(), process.memory_info().rss))
            self.descriptors.setdefault(name, []).append((now(), process.num_fds()))

    async def run(self, step: float) -> None:
        """Sample every ``step`` seconds, for good."""
        while True:
            await run_sync(self.sample)
            await anyio.sleep(step)

    def states(self) -> list[str]:
        """Return which plugins were taken out, or failed in anything, while nodes run."""
        found = []
        for name, (node, _) in self._steady.items():
            found += [
                f"{name}: {one['name']} is {one['state']}: {one['reason']}"
                for one in node.ask("plugins")["plugins"]
                if one["state"] not in ("active", "disabled")
            ]
            status = node.ask("status", probe=False)
            faults = status["node"]["faults"]
            found += [f"{name}: {plugin} has {n} faults" for plugin, n in faults.items()]
            self.refused[name] = {
                **status["node"]["refused"],
                **status.get("http", {}).get("refused", {}),
            }
        return found

    def left_over(self) -> list[str]:
        """Wait until nothing of the calls and attacks is left; return what is."""
        found = []
        for name, (node, process) in self._steady.items():
            most = self.before[name] + SPARE

            def quiet(node: Node = node) -> bool:
                return bool(node.ask("status", probe=False)["node"]["exchanges"] == 0)

            def closed(process: psutil.Process = process, most: int = most) -> bool:
                return bool(process.num_fds() <= most)

            if not _comes_true(quiet):
                exchanges = node.ask("status", probe=False)["node"]["exchanges"]
                found.append(f"{name}: {exchanges} exchanges are left over")
            if not _comes_true(closed):
                found.append(f"{name}: {process.num_fds()} descriptors, {self.before[name]} before")
        return found

    def judge(self) -> list[str]:
        """Return where memory was not flat, and what logs say that no log should say."""
        found = []
        if now() - self.began >= ENOUGH:
            for name, samples in self.memory.items():
                found += course(samples).wrong(f"{name}: memory", grown=GROWN, most=MOST)
        hours = max(1.0, (now() - self.began) / 3600)
        for name, node in self.world.nodes.items():
            if not node.runs and not (node.folder / f"{name}.log").exists():
                continue
            if len(node.log) > LOG * hours:
                found.append(f"{name} wrote {len(node.log):,} bytes to its log")
            alarms = sorted({one.group() for one in ALARMS.finditer(node.log)})
            found += [f"{name}'s log says {alarm!r}" for alarm in alarms]
        return found

    def summary(self) -> list[str]:
        """Return a line for each node."""
        lines = []
        for name, refused in self.refused.items():
            counts = ", ".join(f"{reason} {n:,}" for reason, n in sorted(refused.items()))
            lines.append(f"{name} refused: {counts}")
        for name, samples in self.memory.items():
            step = max(1, len(samples) // 8)
            course_ = " ".join(f"{value / MB:.0f}" for _, value in samples[::step])
            most = max(value for _, value in samples) / MB
            fds = max(number for _, number in self.descriptors[name])
            lines.append(
                f"{name}: {course_} MiB in the course of time, {most:.0f} at most;"
                f" {fds:.0f} descriptors at most"
            )
        return lines


def _comes_true(condition: Callable[[], bool]) -> bool:
    try:
        wait_for(condition, "", REST)
    except AssertionError:
        return False
    return True
