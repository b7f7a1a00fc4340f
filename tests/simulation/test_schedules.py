"""Meshes in which everything goes wrong, from seeds: what must hold all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.simulation import run_simulation
from tests.simulation.schedule import check, play

if TYPE_CHECKING:
    from collections.abc import Callable

SHARE = range(40)
"""The seeds of everyday."""
ALL = range(200)


def run(seed: int, record_property: Callable[[str, object], None]) -> None:
    """Play the schedule of a seed, note what it was like, and check it."""
    outcome = run_simulation(play, seed=seed)
    record_property("virtual seconds", outcome.seconds)
    record_property("endings", dict(outcome.ledger.endings))
    record_property("most visits of one message", outcome.most_visits)
    record_property("relayed", outcome.relayed)
    check(outcome)


@pytest.mark.parametrize("seed", SHARE)
def test_a_mesh_survives_its_misfortunes(
    seed: int, record_property: Callable[[str, object], None]
) -> None:
    run(seed, record_property)


@pytest.mark.slow
@pytest.mark.parametrize("seed", ALL)
def test_two_hundred_meshes_survive_their_misfortunes(
    seed: int, record_property: Callable[[str, object], None]
) -> None:
    run(seed, record_property)
