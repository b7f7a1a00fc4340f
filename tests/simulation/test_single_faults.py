"""Any single message may be lost, late, or come twice: nobody notices more than a pause."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.testing.simulation import run_simulation
from tests.simulation.injector import FAULTS
from tests.simulation.schedule import backend_of
from tests.simulation.story import STRIKE, Ending, Strike, tell

if TYPE_CHECKING:
    from clawmatrix_core.testing.simulation.loop import Backend

KINDS = (
    "cancel",
    "credit",
    "data",
    "digest",
    "error",
    "handshake",
    "heartbeat",
    "hello",
    "last",
    "opening",
    "records",
    "rekey",
    "session_accept",
    "session_open",
    "session_proof",
    "undeliverable",
)
"""What the story has in it. ``make simulate`` has every single message of it suffer."""

STRIKES = [
    *(Strike(kind, 1, fault) for kind in KINDS for fault in FAULTS),
    *(Strike(kind, -1, "lost") for kind in KINDS),
]


@cache
def story(strike: Strike, backend: Backend) -> Ending:
    """Tell the story; a negative number of a message counts from the last one."""

    if strike.number < 0:
        known = story(STRIKE, backend).passed[strike.kind]
        strike = Strike(strike.kind, known + 1 + strike.number, strike.fault)
    return run_simulation(lambda simulation: tell(simulation, strike), seed=1, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_story_goes_well_and_has_everything_in_it(backend: Backend) -> None:
    ending = story(STRIKE, backend)
    assert not ending.wrong, "\n".join(ending.wrong)
    assert set(ending.passed) == set(KINDS)
    assert ending.seconds < 3


@pytest.mark.parametrize(
    ("number", "strike"),
    list(enumerate(STRIKES)),
    ids=[f"{one.kind} {one.fault} {one.number}" for one in STRIKES],
)
def test_one_message_suffers_and_nothing_is_lost(number: int, strike: Strike) -> None:
    ending = story(strike, backend_of(number))
    assert ending.struck
    assert not ending.wrong, "\n".join(ending.wrong)
