"""One seed is one course of events, for whole meshes too."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clawmatrix_core.simulation import run_simulation
from tests.simulation.schedule import play

if TYPE_CHECKING:
    from clawmatrix_core.simulation import Simulation

ROOT = Path(__file__).parents[2]
SCRIPT = "from tests.simulation import test_determinism; print(test_determinism.digest(8))"


def course(seed: int) -> list[tuple[Any, ...]]:
    """Return all deliveries, all statuses that were asked for, and how all streams ended."""

    async def main(simulation: Simulation) -> list[tuple[Any, ...]]:
        outcome = await play(simulation)
        streams = [
            (stream.source, stream.target, stream.id, stream.echoed, *stream.endings)
            for stream in outcome.ledger.streams
        ]
        return [*simulation.trace, *outcome.statuses, *streams]

    return run_simulation(main, seed=seed)


def digest(seed: int) -> str:
    """Return a short word for the course of a seed."""
    return hashlib.sha256(repr(course(seed)).encode()).hexdigest()


def digest_in_a_process(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_seed_gives_the_same_course_twice() -> None:
    once, again = course(3), course(3)
    for number, (event, same) in enumerate(zip(once, again, strict=True)):
        assert event == same, f"event {number}"
    assert len(once) > 1000


def test_seeds_differ() -> None:
    assert digest(8) != digest(9)


def test_the_order_of_hashes_changes_nothing() -> None:
    assert digest_in_a_process("1") == digest_in_a_process("2") == digest(8)
