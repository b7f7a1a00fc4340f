"""Fifty nodes find the shortest ways, and with ``make simulate`` a hundred do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.testing.simulation import Quality, run_simulation
from tests.simulation.mesh import Mesh, comes_true, mesh_of, random_graph
from tests.simulation.truth import path_cost, shortest_costs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core.testing.simulation import Simulation

LATEST = 10.0
"""Virtual seconds in which a mesh must have converged."""


async def converge(simulation: Simulation, nodes: int, degree: float) -> tuple[float, float]:
    """Return after how many virtual seconds all routes are good, and how good the worst is."""
    rng = simulation.random
    names = [f"n{number:03}" for number in range(nodes)]
    links = random_graph(rng, names, degree)
    costs: dict[tuple[str, str], float] = {}
    for a, b in sorted(links):
        there, back = (rng.uniform(0.001, 0.1) for _ in range(2))
        simulation.network.set_quality(a, b, Quality(delay=there), one_way=True)
        simulation.network.set_quality(b, a, Quality(delay=back), one_way=True)
        costs[a, b] = costs[b, a] = 1000 * (there + back)
    best = shortest_costs(names, costs)
    async with mesh_of(simulation, names, links) as mesh:
        await comes_true(lambda: _worst(mesh, costs, best) <= 1.1, within=LATEST, step=0.25)
        return anyio.current_time(), _worst(mesh, costs, best)


def _worst(
    mesh: Mesh, costs: Mapping[tuple[str, str], float], best: Mapping[tuple[str, str], float]
) -> float:
    if any(len(host.running.routes) < len(mesh.up) - 1 for host in mesh.up):
        return math.inf
    return max(path_cost(mesh.hosts, costs, a, b) / best[a, b] for a, b in best if a != b)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("seed", "nodes", "degree"),
    [
        pytest.param(1, 50, 4.0),
        pytest.param(1, 100, 4.0, marks=pytest.mark.slow),
        pytest.param(2, 100, 3.0, marks=pytest.mark.slow),
        pytest.param(3, 100, 5.0, marks=pytest.mark.slow),
        pytest.param(4, 100, 4.0, marks=pytest.mark.slow),
    ],
)
def test_many_nodes_find_ways_that_are_within_a_tenth_of_the_shortest(
    seed: int, nodes: int, degree: float, record_property: Callable[[str, object], None]
) -> None:
    seconds, worst = run_simulation(lambda s: converge(s, nodes, degree), seed=seed)
    record_property("virtual seconds", seconds)
    record_property("cost of the worst path by that of the shortest", worst)
    assert worst <= 1.1
