"""A scenario on a simulated network, run from one seed.

``run_simulation`` runs on trio, which only tests need, or on asyncio. Virtual time passes
only while all tasks wait, and scheduling is deterministic, so that a seed gives one course
of events for ever on each; ``os.urandom`` too gives what the seed says. What escapes this:
threads, real sockets and the order of sets.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

import anyio

from clawmatrix_core.testing.simulation.loop import clock_of_loop, run_on_virtual_time
from clawmatrix_core.testing.simulation.network import SimNetwork

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.testing.simulation.loop import Backend

__all__ = ["EPOCH", "Simulation", "run_simulation"]

EPOCH = 1_760_000_000.0
"""The wall clocks' time, in seconds since 1970, when a simulation starts."""

T = TypeVar("T")


class Simulation:
    """What a simulated scenario is given.

    Attributes:
        random: for the scenario's own choices; the network draws from another.
        network: the hosts' network.
        trace: what happened on it, each as (virtual time, event, ...).
        now: returns the virtual time, in seconds.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.trace: list[tuple[object, ...]] = []
        self.now = clock_of_loop()
        self.network = SimNetwork(random.Random(f"network {seed}"), self.trace, now=self.now)
        self._wall_offsets: dict[str, float] = {}

    def wall(self, node: str) -> Callable[[], float]:
        """Return the wall clock of a node, in seconds since 1970."""
        return lambda: EPOCH + self.now() + self._wall_offsets.get(node, 0.0)

    def jump_clock(self, node: str, seconds: float) -> None:
        """Set a node's wall clock forward, or back where ``seconds`` is negative."""
        self._wall_offsets[node] = self._wall_offsets.get(node, 0.0) + seconds
        self.trace.append((self.now(), "clock", node, seconds))


def run_simulation(
    fn: Callable[[Simulation], Awaitable[T]],
    *,
    seed: int,
    limit: float = 86_400.0,
    backend: Backend = "trio",
) -> T:
    """Run a scenario to its end and return what it returned.

    A scenario in which nothing can happen any more ends at ``limit``, in virtual seconds.
    Each backend has its own course of events for a seed.

    Raises: TimeoutError, at the limit; and what the scenario raised.
    """

    async def main() -> T:
        simulation = Simulation(seed)
        failure: BaseException | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(simulation.network.run)
            try:
                with anyio.move_on_after(limit):
                    return await fn(simulation)
            except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - ungrouped
                failure = error
            finally:
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        raise TimeoutError(f"the simulation did not end within {limit:g} virtual seconds")

    return run_on_virtual_time(main, seed=seed, backend=backend)
