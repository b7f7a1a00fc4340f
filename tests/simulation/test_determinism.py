"""One seed is one course of events, for whole meshes too."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from clawmatrix_core.testing.simulation import run_simulation
from clawmatrix_core.testing.simulation.loop import Backend
from tests.simulation.schedule import play

if TYPE_CHECKING:
    from clawmatrix_core.testing.simulation import Simulation

ROOT = Path(__file__).parents[2]
SCRIPT = "from tests.simulation import test_determinism; print(test_determinism.digest(3, {!r}))"


def course(seed: int, backend: Backend) -> list[tuple[Any, ...]]:
    """Return all deliveries, all statuses that were asked for, and how all streams ended."""

    async def main(simulation: Simulation) -> list[tuple[Any, ...]]:
        outcome = await play(simulation)
        streams = [
            (stream.source, stream.target, stream.id, stream.read, *stream.endings)
            for stream in outcome.ledger.streams
        ]
        return [*simulation.trace, *outcome.statuses, *streams]

    return run_simulation(main, seed=seed, backend=backend)


@functools.cache
def digest(seed: int, backend: Backend) -> str:
    """Return a short word for the course of a seed, which this process plays once."""
    return hashlib.sha256(repr(course(seed, backend)).encode()).hexdigest()


def digest_in_a_process(hash_seed: str, backend: Backend) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", SCRIPT.format(backend)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("backend", get_args(Backend))
def test_a_seed_gives_the_same_course_twice(backend: Backend) -> None:
    once, again = course(3, backend), course(3, backend)
    for number, (event, same) in enumerate(zip(once, again, strict=True)):
        assert event == same, f"event {number}"
    assert len(once) > 1000


def test_seeds_differ() -> None:
    assert digest(3, "asyncio") != digest(6, "asyncio")


@pytest.mark.parametrize("backend", get_args(Backend))
def test_the_order_of_hashes_changes_nothing(backend: Backend) -> None:
    assert digest_in_a_process("1", backend) == digest(3, backend)
