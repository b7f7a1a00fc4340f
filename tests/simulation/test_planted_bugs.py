"""The checks bite: each catches a bug that is planted, and is content without it."""

from __future__ import annotations

import pytest

from tests.simulation.plants import PLANTS, Plant

CATCHERS = {
    plant.caught_by.__name__: (plant.caught_by, seed)
    for plant in PLANTS.values()
    for seed in plant.seeds
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_a_planted_bug_is_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plant.owner, plant.name, plant.put)
    assert any(is_caught(plant, seed) for seed in plant.seeds)


def is_caught(plant: Plant, seed: int) -> bool:
    """Say whether a scenario found something wrong."""
    try:
        plant.caught_by(seed)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("name", CATCHERS)
def test_what_catches_planted_bugs_passes_without_them(name: str) -> None:
    scenario, seed = CATCHERS[name]
    scenario(seed)
