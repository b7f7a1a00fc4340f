"""Meshes in which everything goes wrong, from seeds: what must hold all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.testing.simulation import run_simulation
from tests.simulation.judge import check
from tests.simulation.schedule import backend_of, play

if TYPE_CHECKING:
    from collections.abc import Callable

SHARE = range(16)
"""The seeds of everyday; ``make simulate`` plays a thousand."""


@pytest.mark.parametrize("seed", SHARE)
def test_a_mesh_survives_its_misfortunes(
    seed: int, record_property: Callable[[str, object], None]
) -> None:
    outcome = run_simulation(play, seed=seed, backend=backend_of(seed))
    record_property("virtual seconds", outcome.seconds)
    record_property("endings", dict(outcome.ledger.endings))
    record_property("most visits of one message", outcome.most_visits)
    check(outcome)
