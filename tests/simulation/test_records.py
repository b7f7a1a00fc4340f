"""Members' records: how often they are written, and what becomes of old ones and of twins."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.testing.simulation import run_simulation
from clawmatrix_mesh.members import membership
from tests.simulation.mesh import comes_true, mesh_of
from tests.simulation.truth import route_errors

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.members.directory import NodeRecord
    from clawmatrix_core.testing.simulation import Simulation
    from tests.simulation.mesh import Mesh

HUB = "hub"
LEAVES = [f"leaf{number}" for number in range(8)]
STAR = frozenset((leaf, HUB) for leaf in LEAVES)


def record_of(mesh: Mesh, name: str, at: str) -> NodeRecord:
    peer = mesh.hosts[at].running.directory.get(NodeId(name))
    assert peer is not None, f"{at} does not know {name}"
    return peer.record


def test_flapping_links_do_not_flood_the_mesh() -> None:
    async def main(simulation: Simulation) -> tuple[int, int]:
        async with mesh_of(simulation, [HUB, *LEAVES], STAR) as mesh:
            await anyio.sleep(60)
            before = record_of(mesh, HUB, at=HUB).seq
            for _ in range(600):
                mesh.network.break_links(simulation.random.choice(LEAVES), HUB)
                await anyio.sleep(0.5)
            written = record_of(mesh, HUB, at=HUB).seq - before
            assert await comes_true(lambda: not route_errors(mesh), within=90)
            flaps = sum(event[1] == "broken" for event in simulation.trace)
            return flaps, written

    flaps, written = run_simulation(main, seed=1)
    assert flaps > 100
    # Ten at once, and after that one in two seconds.
    assert written <= 10 + 300 / 2


def test_an_old_record_of_ones_own_is_outdone() -> None:
    async def main(simulation: Simulation) -> None:
        links = frozenset({("a", "b"), ("b", "c")})
        async with mesh_of(simulation, "abc", links) as mesh:
            await anyio.sleep(10)
            old_state = copy.deepcopy(mesh.hosts["a"].state)
            for _ in range(3):
                await mesh.crash("a", silent=False)
                await mesh.start("a")
                await anyio.sleep(10)
            assert record_of(mesh, "a", at="c").epoch == 4
            await mesh.crash("a", silent=False)
            mesh.hosts["a"].state = old_state
            node = await mesh.start("a")

            def outdone() -> bool:
                return record_of(mesh, "a", at="c").instance == node.instance

            assert await comes_true(outdone, within=5)
            assert record_of(mesh, "a", at="c").epoch == 5 == node.epoch
            assert await comes_true(lambda: not route_errors(mesh), within=30)
            assert node.counters["twin"] == 0

    run_simulation(main, seed=1)


def test_two_running_copies_of_a_node_are_named_and_backed_off() -> None:
    async def main(simulation: Simulation) -> None:
        links = frozenset({("a", HUB), ("b", HUB)})
        async with mesh_of(simulation, ["a", "b", HUB], links) as mesh:
            await anyio.sleep(10)
            copied = mesh.add("copy", [HUB], copy_of="a")
            copied.state = copy.deepcopy(mesh.hosts["a"].state)
            await mesh.start("copy")
            before = opened(simulation, HUB)
            await anyio.sleep(1800)
            twins = [mesh.hosts[name].running for name in ("a", "copy")]
            assert any(names_its_twin(node) for node in twins)
            assert mesh.hosts[HUB].running.counters["twin"] > 0
            # One of them at a time has the link, and the other tries once in a while.
            assert opened(simulation, HUB) - before <= 2 * 30
            assert sum(HUB in node.links for node in twins) == 1
            assert mesh.hosts["b"].running.reachable(NodeId("a"))
            for node in twins:
                assert node.epoch <= 2 + 30, "the two must not outdo each other in haste"

    run_simulation(main, seed=1)


def opened(simulation: Simulation, target: str) -> int:
    """Return how many connections to a host there have been."""
    return sum(event[1] == "open" and event[3] == target for event in simulation.trace)


def names_its_twin(node: Node) -> bool:
    status = {section.name: section.read() for section in node.status_sections()}
    return "another running node with this node's key" in repr(status)


@pytest.mark.parametrize(
    "days",
    [
        pytest.param(0.2, id="soon"),
        pytest.param(7, id="after a week", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
)
def test_who_is_out_of_reach_for_long_is_forgotten(
    days: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = days * 86400
    if days != 7:
        monkeypatch.setattr(membership, "FORGET_AFTER", limit)
    assert limit == membership.FORGET_AFTER

    async def main(simulation: Simulation) -> None:
        links = frozenset({("a", "gone"), ("a", "stays")})
        async with mesh_of(simulation, ["a", "gone", "stays"], links, heartbeat=1800) as mesh:
            await anyio.sleep(10)
            await mesh.crash("gone", silent=False)
            directory = mesh.hosts["a"].running.directory
            await anyio.sleep(limit - 60)
            assert directory.get(NodeId("gone")) is not None
            await anyio.sleep(2 * 3600)
            assert directory.get(NodeId("gone")) is None
            assert directory.get(NodeId("stays")) is not None

    run_simulation(main, seed=1, limit=2 * limit + 86400)
