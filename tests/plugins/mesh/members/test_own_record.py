"""Which round trips are worth a new record."""

from __future__ import annotations

import pytest

from clawmatrix_mesh.members.own_record import rtt_matters


@pytest.mark.parametrize(
    ("told", "now", "matters"),
    [
        (None, 1.0, True),
        (10.0, 10.0, False),
        (10.0, 14.0, False),  # by 40 %, but only 4 ms
        (100.0, 120.0, False),  # by 20 ms, but only 20 %
        (10.0, 16.0, True),
        (100.0, 70.0, True),
    ],
)
def test_a_round_trip_is_told_when_it_has_changed_by_a_quarter_and_5_ms(
    told: float | None, now: float, matters: bool
) -> None:
    assert rtt_matters(told, now) is matters
