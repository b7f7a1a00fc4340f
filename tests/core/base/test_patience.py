"""Tests of telling that something takes long."""

from __future__ import annotations

import anyio
import pytest

from clawmatrix_core.base.patience import tell_until

pytestmark = pytest.mark.anyio


async def test_it_tells_the_time_so_far_until_it_is_done() -> None:
    done, told = anyio.Event(), list[float]()

    def tell(seconds: float) -> None:
        told.append(seconds)
        if len(told) == 3:
            done.set()

    await tell_until(done, tell, every=0.01)
    assert told == pytest.approx([0.01, 0.02, 0.03])


async def test_what_is_done_at_once_is_not_told_of() -> None:
    done, told = anyio.Event(), list[float]()
    done.set()
    await tell_until(done, told.append, every=0.01)
    assert told == []
