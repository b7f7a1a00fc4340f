"""Statistics of pairs, against values that are known and against machines that are made up."""

from __future__ import annotations

import math
import random
from typing import Literal

import pytest

from tests.benchmarks.paired import Interval, interval, ratios

FLOOR = 0.97


def machine(
    seed: int, pairs: int, speed: float, noise: float = 0.05
) -> tuple[list[float], list[float]]:
    """Return rates of two commits on a machine that slows down and recovers, and is noisy."""
    draw = random.Random(seed)
    old, new = [], []
    for number in range(pairs):
        drift = 1 + 0.3 * math.sin(number / 5)
        old.append(1000 * drift * math.exp(draw.gauss(0, noise)))
        new.append(1000 * drift * speed * math.exp(draw.gauss(0, noise)))
    return old, new


def measured(seed: int, pairs: int, speed: float) -> Interval:
    return interval(ratios(*machine(seed, pairs, speed), "higher"), seed=1)


@pytest.mark.parametrize(("better", "expected"), [("higher", [2.0, 0.5]), ("lower", [0.5, 2.0])])
def test_a_ratio_above_one_is_better(
    better: Literal["higher", "lower"], expected: list[float]
) -> None:
    assert ratios([10.0, 20.0], [20.0, 10.0], better) == expected


@pytest.mark.parametrize("nothing", [0.0, -0.4])
@pytest.mark.parametrize("better", ["higher", "lower"])
def test_a_pair_with_a_figure_that_is_not_above_zero_has_no_ratio(
    nothing: float, better: Literal["higher", "lower"]
) -> None:
    assert ratios([nothing, 2.0, 4.0], [1.0, nothing, 4.0], better) == [1.0]


def test_figures_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0], "higher")


def test_equal_ratios_are_certain() -> None:
    found = interval([1.25] * 15, seed=1)
    assert (found.median, found.low, found.high) == pytest.approx((1.25, 1.25, 1.25))
    assert found.pairs == 15


def test_of_three_ratios_the_interval_has_the_ends() -> None:
    """The median of three drawn is the smallest in 7 cases of 27, far more often than 2.5 %."""
    found = interval([2.0, 0.5, 1.0], seed=1)
    assert (found.low, found.median, found.high) == pytest.approx((0.5, 1.0, 2.0))


def test_of_eleven_ratios_the_interval_has_the_ranks_that_the_binomial_law_gives() -> None:
    """The median drawn is at or below rank k where 6 of 11 draws are.

    By the binomial law that happens in 0.7 % of samples for rank 2, and in 5.1 % for rank 3.
    """
    found = interval([float(number) for number in range(1, 12)], seed=1)
    assert (found.low, found.median, found.high) == pytest.approx((3.0, 6.0, 9.0))


def test_the_median_of_an_even_number_is_the_mean_of_the_logarithms() -> None:
    assert interval([1.0, 4.0], seed=1).median == pytest.approx(2.0)


def test_a_seed_gives_the_same_interval_again() -> None:
    values = ratios(*machine(3, 15, 1.0), "higher")
    assert interval(values, seed=7) == interval(values, seed=7)


def test_more_pairs_make_the_interval_narrower() -> None:
    few, many = measured(5, 15, 1.0), measured(5, 150, 1.0)
    assert many.high - many.low < (few.high - few.low) / 2


def test_an_interval_is_below_the_floor_only_as_a_whole() -> None:
    assert Interval(0.9, 0.85, 0.969, 15).is_below(FLOOR)
    assert not Interval(0.9, 0.85, 0.97, 15).is_below(FLOOR)
    assert not Interval(0.9, 0.85, 1.0, 15).is_below(FLOOR)
    assert not Interval(1.1, 1.05, 1.2, 15).is_below(FLOOR)


@pytest.mark.parametrize("seed", range(10))
def test_a_commit_that_is_a_tenth_slower_is_caught(seed: int) -> None:
    found = measured(seed, 20, 0.9)
    assert found.is_below(FLOOR), found


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("speed", [1.0, 1.1])
def test_a_commit_that_is_as_fast_or_faster_is_not_caught(seed: int, speed: float) -> None:
    found = measured(seed, 20, speed)
    assert not found.is_below(FLOOR), found


def test_no_ratios_have_no_interval() -> None:
    with pytest.raises(ValueError, match="no ratios"):
        interval([], seed=1)
