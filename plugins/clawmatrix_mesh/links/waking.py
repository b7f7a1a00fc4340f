"""Noticing that the machine, or the process, was asleep.

The clock that timers run on may have stood still meanwhile, so that a dead link would look
fresh; the wall clock has gone on. After a sleep every link is asked for a sign of life at
once, and every dial that waits is made now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from clawmatrix_core import Node
    from clawmatrix_mesh.links.dialler import PeerDialler
    from clawmatrix_mesh.links.neighbours import Neighbours

__all__ = ["Waking"]

_LOOK = 2.0
"""Seconds between two looks at the clocks, at most."""


class Waking:
    """Looks at the clocks, and after a sleep at the links."""

    def __init__(
        self, node: Node, neighbours: Neighbours, dialler: PeerDialler, *, heartbeat: float
    ) -> None:
        self._node = node
        self._neighbours = neighbours
        self._dialler = dialler
        self._heartbeat = heartbeat

    async def run(self) -> None:
        """Look until cancelled."""
        clock = self._node.clock
        step = min(_LOOK, self._heartbeat)
        now, wall = clock.now(), clock.wall()
        while True:
            await anyio.sleep(step)
            slept = max(clock.now() - now, clock.wall() - wall) - step
            if slept > self._heartbeat:  # or the wall clock was set, which costs a few pings
                await self._wake(slept)
            now, wall = clock.now(), clock.wall()

    async def _wake(self, slept: float) -> None:
        self._node.counters["woken"] += 1
        self._node.logger("mesh").info("the clock went on by %.0f s: looking at all links", slept)
        await self._neighbours.look_after_all()
        self._dialler.hurry()
