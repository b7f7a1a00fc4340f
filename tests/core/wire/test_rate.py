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


def test_a_frame_of_more_than_a_burst_passes_and_is_made_up_for() -> None:
    rate = Rate(None, 10_000)
    passed = [at / 10 for at in range(1000) if rate.admit(at / 10, 50_000)]
    assert passed[0] == 0.0
    assert len(passed) == pytest.approx(100 / 5, abs=1)


def test_small_frames_do_not_keep_a_large_one_out() -> None:
    rate = Rate(None, 10_000)
    large = small = 0
    for at in range(10_000):
        now = at / 100
        large += rate.admit(now, 50_000)
        small += sum(rate.admit(now, 100) for _ in range(10))
    assert large > 10
    assert large * 50_000 + small * 100 < 100 * 10_000 + 50_000 + 10_000 * BURST


def test_what_is_given_back_was_not_counted() -> None:
    rate = Rate(1000, 10_000)
    for _ in range(100):
        assert rate.admit(0.0, 5000)
        rate.give_back(5000)
    assert sum(rate.admit(0.0, 1000) for _ in range(100)) == 10


def test_who_spends_too_much_is_told_how_long_to_wait() -> None:
    rate = Rate(10, None)
    waits = [rate.spend(0.0, 1) for _ in range(20)]
    assert waits[:10] == [0.0] * 10
    assert waits[-1] == pytest.approx(1.0)
    assert rate.spend(100.0, 1) == 0.0, "a rest makes good"


def test_no_limit_is_none() -> None:
    rate = Rate(None, None)
    assert all(rate.admit(0.0, 10**9) for _ in range(1000))
