"""One target, fed with altered inputs for a while: what comes out of it, and what it keeps.

``python -m tests.fuzzing.memory NAME SECONDS`` prints a line of JSON;
``python -m tests.fuzzing.memory NAME FILE`` feeds it one input, as it was written down.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
import time
import traceback
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import attrs
import psutil

from tests.fuzzing.catalogue import TARGETS
from tests.fuzzing.edits import edited, random_edits

if TYPE_CHECKING:
    from tests.fuzzing.target import Target

__all__ = ["FOLDER", "GROWTH", "Outcome", "feed", "quiet", "resident"]

FOLDER = Path(".fuzz")
"""Where inputs are written that something came of."""
GROWTH = 16.0
"""MiB by which a process may be larger in the end than after its warm-up."""
WARM_UP = 0.4
"""Part of the time in which caches fill, and the allocator gets what it needs."""


@attrs.frozen
class Outcome:
    """What came of a target.

    Attributes:
        inputs: how many it was fed.
        taken: how many of them without an error.
        seconds: of processor time.
        size: MiB of the process in the end.
        growth: MiB by which that is more than after the warm-up.
        failure: where what came out was no typed error, the traceback.
        reproducer: the input of that.
    """

    inputs: int
    taken: int
    seconds: float
    size: float = 0.0
    growth: float = 0.0
    failure: str | None = None
    reproducer: str | None = None


def feed(target: Target, seconds: float, seed: str) -> Outcome:
    """Feed a target for some time, always the same inputs in the same order."""
    random, seeds = Random(seed), target.seeds()
    started, cpu = time.monotonic(), time.process_time()
    inputs = taken = 0
    warm: float | None = None
    while (passed := time.monotonic() - started) < seconds:
        if warm is None and passed > seconds * WARM_UP:
            warm = resident()
        data = edited(random.choice(seeds), random_edits(random), seeds)
        inputs += 1
        try:
            taken += target.try_(data)
        except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
            where = write_down(target, data)
            spent = time.process_time() - cpu
            return Outcome(inputs, taken, spent, 0.0, 0.0, traceback.format_exc(), where)
    size = resident()
    grown = size - (size if warm is None else warm)
    return Outcome(inputs, taken, time.process_time() - cpu, size, grown)


def write_down(target: Target, data: bytes) -> str:
    """Keep an input; return where."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{target.name.replace(' ', '-')}-{sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return str(path)


def quiet() -> None:
    """Keep what nodes log of refused input to themselves."""
    logging.getLogger("clawmatrix").addHandler(logging.NullHandler())


def resident() -> float:
    """Return MiB of memory that the process has, after a collection."""
    gc.collect()
    return psutil.Process().memory_info().rss / 2**20


def main(name: str, what: str) -> None:
    """Feed one target."""
    quiet()
    target = TARGETS[name]
    if Path(what).is_file():
        print("taken" if target.try_(Path(what).read_bytes()) else "refused")
        return
    print(json.dumps(attrs.asdict(feed(target, float(what), name))))


if __name__ == "__main__":
    main(*sys.argv[1:])
