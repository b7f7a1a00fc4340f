"""Streams and links outlive what happens to relays, and to a laptop that sleeps."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.simulation import Simulation, run_simulation
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.mesh.forwarder import Forwarder, forwarder
from tests.plugins.mesh.streams import StreamPlugin, reading
from tests.plugins.mesh.wire import port_of
from tests.simulation.mesh import comes_true, mesh_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clawmatrix_core.kernel.node import Node

OFFICE = NodeId("office")
RELAYS = (NodeId("relay1"), NodeId("relay2"))
SILENCE = 2 * 5.0 * 1.2
"""Seconds after which a link that says nothing is dead, with the default heartbeat."""


@attrs.frozen
class TwoRelays:
    """Home and office, each with a link to both relays, by way of a wire to each."""

    home: Node
    wires: dict[NodeId, Forwarder]

    @property
    def hop(self) -> NodeId:
        """The relay that home sends by, what is for office."""
        return self.home.routes[OFFICE].next_hop


@asynccontextmanager
async def two_relays() -> AsyncIterator[TwoRelays]:
    async with (
        make_node(RELAYS[0]) as one,
        make_node(RELAYS[1]) as other,
        forwarder(port_of(address_of(one))) as first,
        forwarder(port_of(address_of(other))) as second,
    ):
        peers = [first.address, second.address]
        plugins = ("relay", StreamPlugin())
        async with (
            make_node("office", peers=peers, plugins=plugins) as office,
            make_node("home", peers=peers, plugins=plugins) as home,
        ):
            found = TwoRelays(home, dict(zip(RELAYS, (first, second), strict=True)))
            await wait_until(lambda: len(home.links) == len(office.links) == 2)
            await wait_until(lambda: _knows_both(home))
            yield found


def _knows_both(home: Node) -> bool:
    """Say whether home knows of a way to office by each relay: what both ends of a link list."""
    known = {peer.node_id: peer.record.links for peer in home.directory.all()}
    ends = {home.id, OFFICE}
    return all(
        relay in known.get(OFFICE, ()) and ends <= known.get(relay, {}).keys() for relay in RELAYS
    )


@pytest.mark.anyio
async def test_losing_the_relay_that_carries_a_stream_costs_a_pause(
    record_property: Callable[[str, object], None],
) -> None:
    async with two_relays() as mesh:
        with anyio.fail_after(40):
            async with reading(mesh.home, "office") as stream:
                for _ in range(4):
                    lost = mesh.hop
                    stream.pause = 0.0
                    mesh.wires[lost].cut()
                    await stream.until(lambda lost=lost: mesh.hop != lost, more=50)  # type: ignore[misc]
                    record_property("pause after a reset, s", round(stream.pause, 3))
                    assert stream.pause < 3.0
                    mesh.wires[lost].mend()
                    await stream.until(lambda: len(mesh.home.links) == 2 and _knows_both(mesh.home))
                await stream.to_the_end()


@pytest.mark.anyio
async def test_a_relay_that_goes_silent_costs_a_stream_two_heartbeats(
    record_property: Callable[[str, object], None],
) -> None:
    async with two_relays() as mesh:
        with anyio.fail_after(40):
            async with reading(mesh.home, "office") as stream:
                lost = mesh.hop
                mesh.wires[lost].silence()
                await stream.until(lambda: mesh.hop != lost, more=50)
                record_property("pause after silence, s", round(stream.pause, 3))
                await stream.to_the_end()


# --- on the virtual clock

LINKS = frozenset((end, relay) for end in ("home", "office") for relay in RELAYS)


@pytest.mark.parametrize(("silent", "limit"), [(False, 1.0), (True, SILENCE + 2.0)])
@pytest.mark.parametrize("seed", range(3))
def test_the_pause_is_bounded_whichever_way_the_relay_goes(
    seed: int, silent: bool, limit: float, record_property: Callable[[str, object], None]
) -> None:
    async def main(simulation: Simulation) -> float:
        names = ["home", "office", *RELAYS]
        async with mesh_of(simulation, names, LINKS, plugins=lambda _: [StreamPlugin()]) as mesh:
            home = mesh.hosts["home"].running
            assert await comes_true(lambda: _knows_both(home), within=10)
            async with reading(home, "office") as stream:
                stream.pause = 0.0
                lost = home.routes[OFFICE].next_hop
                await mesh.crash(lost, silent=silent)
                await stream.until(lambda: home.routes[OFFICE].next_hop != lost, more=100)
                await stream.to_the_end()
            return stream.pause

    pause = run_simulation(main, seed=seed)
    record_property("pause, s", round(pause, 3))
    assert pause <= limit


@pytest.mark.parametrize("seed", range(3))
def test_a_laptop_that_wakes_is_back_within_a_heartbeat_and_a_dial(seed: int) -> None:
    async def main(simulation: Simulation) -> None:
        network = simulation.network
        links = frozenset({("laptop", "relay")})
        async with mesh_of(simulation, ["laptop", "relay"], links) as mesh:
            laptop = mesh.hosts["laptop"].running
            assert await comes_true(lambda: NodeId("relay") in laptop.links, within=10)
            old = laptop.links[NodeId("relay")]
            await anyio.sleep(simulation.random.uniform(20, 30))
            network.block("laptop", "relay")  # its connection died while it slept
            simulation.jump_clock("laptop", 3600.0)
            assert await comes_true(lambda: old.closing is not None, within=5.0, step=0.1)
            assert laptop.counters["woken"] == 1
            network.unblock("laptop", "relay")
            assert await comes_true(lambda: NodeId("relay") in laptop.links, within=2.0, step=0.1)

    run_simulation(main, seed=seed)


def test_a_clock_that_is_set_costs_a_living_link_nothing() -> None:
    async def main(simulation: Simulation) -> None:
        links = frozenset({("laptop", "relay")})
        async with mesh_of(simulation, ["laptop", "relay"], links) as mesh:
            laptop = mesh.hosts["laptop"].running
            assert await comes_true(lambda: NodeId("relay") in laptop.links, within=10)
            before = laptop.links[NodeId("relay")]
            for seconds in (3600.0, -7200.0, 3600.0):
                simulation.jump_clock("laptop", seconds)
                await anyio.sleep(30)
            assert laptop.links[NodeId("relay")] is before
            assert laptop.counters["woken"] == 2

    run_simulation(main, seed=1)
