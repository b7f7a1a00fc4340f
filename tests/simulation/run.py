"""``make simulate``: a thousand schedules, and a story once for each message that may suffer.

``python -m tests.simulation.run --first 17 --seeds 1`` plays one again; what goes wrong in a
seed goes wrong in it every time.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TYPE_CHECKING, get_args

import attrs

from clawmatrix_core.testing.simulation import run_simulation
from clawmatrix_core.testing.simulation.loop import Backend
from tests.simulation.injector import ANY, FAULTS
from tests.simulation.judge import check
from tests.simulation.schedule import backend_of, play
from tests.simulation.story import Strike, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["main"]

_STEP = 50
"""Schedules, or strikes, behind which there is a word on how far it is."""


@attrs.define
class Sum:
    """What came of all, added up."""

    wrong: list[str] = attrs.field(factory=list)
    numbers: Counter[str] = attrs.field(factory=Counter)
    endings: Counter[str] = attrs.field(factory=Counter)
    misfortunes: Counter[str] = attrs.field(factory=Counter)
    faults: Counter[str] = attrs.field(factory=Counter)
    sizes: Counter[int] = attrs.field(factory=Counter)

    def add(self, other: Sum) -> None:
        """Take in what came of one more."""
        self.wrong += other.wrong
        for name in ("numbers", "endings", "misfortunes", "faults", "sizes"):
            getattr(self, name).update(getattr(other, name))


def schedule(seed: int) -> Sum:
    """Play the schedule of a seed."""
    logging.disable(logging.CRITICAL)
    try:
        outcome = run_simulation(play, seed=seed, backend=backend_of(seed))
        check(outcome)
    except Exception as error:  # noqa: BLE001 - one of a thousand; all are reported at the end
        return Sum(wrong=[f"seed {seed} on {backend_of(seed)}: {type(error).__name__}: {error}"])
    return Sum(
        numbers=Counter(
            schedules=1,
            **{f"on {backend_of(seed)}": 1},
            **{"virtual seconds": round(outcome.seconds)},
            nodes=outcome.nodes,
            frames=outcome.frames,
            sessions=outcome.sessions,
            streams=len(outcome.ledger.streams),
            **{"that had to end as planned": outcome.ledger.unexcused},
            faults=outcome.injected.total(),
        ),
        endings=outcome.ledger.endings,
        misfortunes=outcome.done,
        faults=_by_fault(outcome.injected),
        sizes=Counter([outcome.nodes]),
    )


def _by_fault(injected: Counter[tuple[str, str]]) -> Counter[str]:
    faults: Counter[str] = Counter()
    for (kind, fault), number in injected.items():
        faults[f"{kind} {fault}"] += number
    return faults


def struck(strike: Strike, backend: Backend) -> Sum:
    """Tell the story with one message that suffers."""
    logging.disable(logging.CRITICAL)
    try:
        ending = run_simulation(lambda s: tell(s, strike), seed=1, backend=backend)
        wrong = ending.wrong
    except Exception as error:  # noqa: BLE001 - as above
        wrong = [f"{type(error).__name__}: {error}"]
    return Sum(
        wrong=[f"{strike} on {backend}: {one}" for one in wrong],
        numbers=Counter({"single messages that suffered": 1}),
    )


def strikes() -> Iterator[tuple[Strike, Backend]]:
    """Return every message of the story with every fault, on each backend."""
    for backend in get_args(Backend):
        ending = run_simulation(tell, seed=1, backend=backend)
        for number in range(1, ending.passed.total() + 1):
            for fault in FAULTS:
                yield Strike(ANY, number, fault), backend


def main() -> int:
    """Run, print the sum, and return 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many schedules")
    parser.add_argument("--first", type=int, default=0, help="the first one's seed")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--story", action="store_true", help="and the story, for each message")
    options = parser.parse_args()
    began, total = time.monotonic(), Sum()
    with ProcessPoolExecutor(options.workers) as pool:
        seeds = range(options.first, options.first + options.seeds)
        jobs = [pool.submit(schedule, seed) for seed in seeds]
        if options.story:
            jobs += [pool.submit(struck, *one) for one in strikes()]
        for number, job in enumerate(as_completed(jobs), 1):
            total.add(one := job.result())
            if one.wrong:
                print(*one.wrong, sep="\n", file=sys.stderr, flush=True)
            if number % _STEP == 0:
                print(f"{number} of {len(jobs)}", file=sys.stderr, flush=True)
    _print(total, time.monotonic() - began)
    return 1 if total.wrong else 0


def _print(total: Sum, seconds: float) -> None:
    for name, number in total.numbers.items():
        print(f"{name:30} {number:>12,}")
    for title, counter in (
        ("streams ended", total.endings),
        ("misfortunes", total.misfortunes),
        ("messages that suffered", total.faults),
    ):
        print(f"\n{title}:")
        print("  " + ", ".join(f"{name} {n:,}" for name, n in counter.most_common()))
    if total.sizes:
        print(f"\n{min(total.sizes)} to {max(total.sizes)} nodes, in {seconds:.0f} s")
    print("\n".join(["", *total.wrong]) if total.wrong else "nothing was wrong")


if __name__ == "__main__":
    sys.exit(main())
