"""Limits on what passes in a second."""

from __future__ import annotations

import pytest

from clawmatrix_core.wire.rate import BURST, Rate


def test_a_burst_passes_and_then_what_the_rate_allows() -> None:
    rate = Rate(100, None)
    admitted = sum(rate.admit(0.0, 1) for _ in range(1000))
    assert admitted == pytest.approx(100 * BURST, abs=1)
    admitted = sum(rate.admit(at / 1000, 1) for at in range(1, 10_001))
    assert admitted == pytest.approx(1000, abs=2)


def test_large_frames_count_by_their_bytes() -> None:
    rate = Rate(1000, 10_000)
    assert sum(rate.admit(0.0, 1000) for _ in range(100)) == 10
    assert Rate(1000, 10_000).spend(0.0, 30_000) == pytest.approx(2.0)


def test_who_spends_too_much_is_told_how_long_to_wait() -> None:
    rate = Rate(10, None)
    waits = [rate.spend(0.0, 1) for _ in range(20)]
    assert waits[:10] == [0.0] * 10
    assert waits[-1] == pytest.approx(1.0)
    assert rate.spend(100.0, 1) == 0.0, "a rest makes good"


def test_no_limit_is_none() -> None:
    rate = Rate(None, None)
    assert all(rate.admit(0.0, 10**9) for _ in range(1000))
