"""Times fit each other: what one end's heartbeat heals, the other ends wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.testing.simulation import Quality, run_simulation
from tests.simulation.mesh import comes_true, mesh_of

if TYPE_CHECKING:
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.testing.simulation import Simulation
    from clawmatrix_core.wire.frames import Frame
    from tests.simulation.mesh import Mesh

NAMES = ("home", "office", "relay")
LINKS = frozenset({("home", "relay"), ("office", "relay")})


class Counting:
    """Answers each number of a stream with the same one."""

    plugin_name = "counting"

    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        self._scope = scope

    @hookimpl
    @frame_types("count")
    def frame_received(self, node: Node, frame: Frame) -> bool:
        return node.accept(frame, self._answer, self._scope)

    async def _answer(self, ex: Exchange) -> None:
        async for payload in ex:
            await ex.send(payload)


async def ready(mesh: Mesh) -> tuple[Node, Node, Node]:
    home, office, relay = (mesh.hosts[name].running for name in NAMES)
    assert await comes_true(lambda: office.reachable("home") and home.reachable("office"), within=9)
    return home, office, relay


@pytest.mark.parametrize("heartbeat", [5.0, 20.0])
@pytest.mark.parametrize("seed", range(6))
def test_times_fit_a_link_that_closed_at_the_end_that_does_not_dial(
    seed: int, heartbeat: float
) -> None:
    """The relay knows at once that the link to home is gone; home, which dials, does not."""

    async def main(simulation: Simulation) -> None:
        network = simulation.network
        network.default = Quality(0.01)
        async with mesh_of(
            simulation, NAMES, LINKS, plugins=lambda _: (Counting(),), heartbeat=heartbeat
        ) as mesh:
            home, office, relay = await ready(mesh)
            async with office.exchange("home", "count") as ex:
                await ex.send(1)
                assert await ex.receive() == 1
                await anyio.sleep(simulation.random.uniform(0, 2 * heartbeat))
                network.block("home", "relay")
                relay.links[home.id].close("reset")
                noticed = 2.4 * heartbeat + 1
                assert await comes_true(lambda: not home.links, within=noticed, step=0.05)
                network.unblock("home", "relay")
                await ex.send(2)
                assert await ex.receive() == 2
                assert home.counters["missed_heartbeats"] == 1

    run_simulation(main, seed=seed)


@pytest.mark.parametrize("seed", range(4))
def test_relay_is_never_reached_through_itself_while_its_link_dies(seed: int) -> None:
    async def main(simulation: Simulation) -> None:
        simulation.network.default = Quality(0.01)
        async with mesh_of(simulation, NAMES, LINKS) as mesh:
            home, _, _ = await ready(mesh)
            simulation.network.block("home", "relay")
            said: list[Any] = []

            async def look() -> None:
                while True:
                    said.append(await home.path_status("relay", probe=False))
                    await anyio.sleep(0.05)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(look)
                assert await comes_true(lambda: not home.links, within=30)
                await anyio.sleep(3)
                tasks.cancel_scope.cancel()
            assert {one.status for one in said} == {"direct", "unreachable"}
            assert {one.via for one in said} == {None}

    run_simulation(main, seed=seed)


def test_silent_links_are_closed_when_their_patience_is_over_and_not_at_a_later_beat() -> None:
    async def main(simulation: Simulation) -> None:
        simulation.network.default = Quality(0.01)
        async with mesh_of(simulation, NAMES, LINKS) as mesh:
            home, _, relay = await ready(mesh)
            simulation.network.block("home", "relay")
            last = {node.id: node.links[end].last_received for node, end in both(home, relay)}
            for node, end in both(home, relay):
                assert await comes_true(lambda: end not in node.links, within=30, step=0.02)  # noqa: B023
                assert 12.0 <= simulation.now() - last[node.id] < 14.0

    run_simulation(main, seed=1)


def both(home: Node, relay: Node) -> list[tuple[Node, Any]]:
    return [(home, relay.id), (relay, home.id)]
