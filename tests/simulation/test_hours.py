"""A long run in short: what ``make simulate-long`` does for a hundred hours, and how it judges."""

from __future__ import annotations

from collections import Counter

import pytest

from clawmatrix_core.testing.simulation import run_simulation
from tests.simulation.hours import Hour, Report, endure
from tests.simulation.schedule import backend_of


@pytest.mark.parametrize("seed", [0, 1])
def test_two_short_hours_of_eight_nodes_go_well(seed: int) -> None:
    report = run_simulation(
        lambda simulation: endure(simulation, 2, hour=200.0),
        seed=seed,
        backend=backend_of(seed),
    )
    assert report.wrong == []
    assert len(report.hours) == 2
    assert report.good > 0
    assert report.done.total() > 0


def hours(*counts: int) -> Report:
    """Return a report of hours with so many objects."""
    return Report(
        hours=[
            Hour(number, 100 * 2**20, count, 10, Counter(), 0)
            for number, count in enumerate(counts, 1)
        ]
    )


def test_objects_that_become_more_in_each_hour_are_wrong() -> None:
    report = hours(*range(1000, 1100, 5))
    report.warm, report.last = Counter(Session=20, tuple=7), Counter(Session=95, tuple=7)
    report.judge()
    assert [one.partition(" by ")[0] for one in report.wrong] == ["the number of objects grew"]
    assert report.grown() == [("Session", 75)]


def test_objects_that_come_and_go_are_not() -> None:
    report = hours(*(1000 + 20 * (number % 3) for number in range(20)))
    report.judge()
    assert report.wrong == []
