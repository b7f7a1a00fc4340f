"""``make simulate-long``: a hundred hours of eight nodes on the virtual clock, from one seed.

``python -m tests.simulation.long --hours 3 --seed 17`` plays a shorter time of another seed.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from typing import TYPE_CHECKING

from clawmatrix_core.testing.simulation import run_simulation
from tests.simulation.hours import HOUR, Hour, Report, endure
from tests.simulation.schedule import backend_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["main", "played"]

MB = 2**20


def played(hours: int, seed: int, told: Callable[[Hour], None] = lambda _: None) -> Report:
    """Play some hours of a seed: an even one on asyncio, an odd one on trio."""
    return run_simulation(
        lambda simulation: endure(simulation, hours, told),
        seed=seed,
        limit=4 * HOUR * (hours + 1),
        backend=backend_of(seed),
    )


def main() -> int:
    """Play, print what came of it, and return 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=100, help="virtual hours")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    report = played(options.hours, options.seed, _tell)
    _print(report, time.monotonic() - began)
    print(*(report.wrong or ["nothing was wrong"]), sep="\n")
    return 1 if report.wrong else 0


def _tell(hour: Hour) -> None:
    print(
        f"hour {hour.number}: {hour.calls.total()} calls, {hour.objects:,} objects,"
        f" {hour.resident / MB:.1f} MiB, {hour.tasks} tasks",
        file=sys.stderr,
        flush=True,
    )


def _print(report: Report, seconds: float) -> None:
    calls = ", ".join(f"{name} {n:,}" for name, n in report.calls.most_common())
    done = ", ".join(f"{name} {n:,}" for name, n in report.done.most_common())
    grown = ", ".join(f"{name} {n:+,}" for name, n in report.grown())
    print(f"{len(report.hours)} hours in {seconds:.0f} s")
    print(f"calls: {calls}; of these {report.good:,} had to end as planned")
    print(f"misfortunes: {done}")
    print(f"more objects than after the warm-up: {grown or 'none'}")


if __name__ == "__main__":
    sys.exit(main())
