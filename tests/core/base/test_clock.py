"""The clocks of a node."""

from __future__ import annotations

import time

import anyio
import pytest

from clawmatrix_core.base.clock import Clock


@pytest.mark.anyio
async def test_the_default_clocks_are_the_event_loops_and_the_walls() -> None:
    clock = Clock()
    before = anyio.current_time()
    assert before <= clock.now() <= anyio.current_time()
    assert abs(clock.wall() - time.time()) < 60


def test_tests_decide_what_time_it_is() -> None:
    clock = Clock(now=lambda: 5.0, wall=lambda: 1_760_000_000.0)
    assert (clock.now(), clock.wall()) == (5.0, 1_760_000_000.0)
