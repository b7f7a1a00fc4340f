"""Leaving the relay for a direct link, and coming back to it, in the middle of a stream."""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from msgspec.structs import replace

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.types import Secret
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.simulation import Quality, Simulation, run_simulation
from tests.plugins.mesh.conftest import LIMITS, address_of, make_node
from tests.plugins.mesh.forwarder import Forwarder, forwarder
from tests.plugins.mesh.streams import StreamPlugin, reading
from tests.plugins.mesh.wire import port_of
from tests.simulation.mesh import SECRET, Host, comes_true, mesh_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core.kernel.node import Node

HOME, OFFICE, RELAY = (NodeId(name) for name in ("home", "office", "relay"))
EAGER = replace(LIMITS, direct_look=0.02, direct_gap=0.2, direct_gap_most=0.5)
FAR = 0.05
"""Seconds from office to the relay: more than a busy machine adds to a round trip without it, so
that the direct way is the shorter one."""
LINKS = frozenset({("home", "relay"), ("office", "relay")})


@attrs.frozen
class Three:
    """Home and office dial the relay, which is far from office; the wire leads there directly."""

    home: Node
    relay: Node
    office: Node
    wire: Forwarder

    @property
    def hop(self) -> NodeId | None:
        """Where home sends what is for office."""
        route = self.home.routes.get(OFFICE)
        return None if route is None else route.next_hop

    @property
    def is_direct(self) -> bool:
        """Whether both ends have left the relay."""
        back = self.office.routes.get(HOME)
        return self.hop == OFFICE and back is not None and back.next_hop == HOME

    def upgrades(self) -> list[dict[str, Any]]:
        """Return what home's status says of its tries."""
        [section] = [one for one in self.home.status_sections() if one.name == "mesh"]
        found: list[dict[str, Any]] = section.read()["direct"]
        return found


@asynccontextmanager
async def three(**home: Any) -> AsyncIterator[Three]:
    plugins = ("relay", StreamPlugin())
    mesh: dict[str, Any] = {"plugins": plugins, "limits": EAGER}
    home = {"dial": ["127.0.0.0/8"], **home}
    async with make_node("relay") as relay, forwarder() as wire, forwarder(delay=FAR) as far:
        far.target = port_of(address_of(relay))
        office = make_node("office", advertise=[wire.address], peers=[far.address], **mesh)
        asker = make_node("home", peers=[address_of(relay)], **mesh, **home)
        async with office, asker:
            wire.target = port_of(address_of(office))
            await wait_until(lambda: asker.reachable(OFFICE) and office.reachable(HOME))
            yield Three(asker, relay, office, wire)


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_a_stream_moves_to_a_direct_link_and_back_to_the_relay_and_is_whole() -> None:
    async with three() as nodes:
        with anyio.fail_after(30):
            async with reading(nodes.home, "office") as stream:
                await stream.until(lambda: nodes.is_direct, more=200)
                assert (await nodes.home.path_status(OFFICE)).status == "direct"
                assert nodes.wire.carried > 100_000
                relayed = -1
                while nodes.relay.counters["relayed"] != relayed:  # until it has left the relay
                    relayed = nodes.relay.counters["relayed"]
                    await stream.until(lambda: True, more=100)
                nodes.wire.cut()
                stream.pause = 0.0
                await stream.until(lambda: nodes.hop == RELAY, more=200)
                assert stream.pause < 5.0
                nodes.wire.mend()
                await stream.until(lambda: nodes.is_direct, more=200)
                await stream.to_the_end()
        assert nodes.wire.made >= 2


@pytest.mark.anyio
async def test_a_direct_link_that_goes_silent_costs_a_stream_no_more_than_a_pause() -> None:
    async with three() as nodes:
        with anyio.fail_after(30):
            async with reading(nodes.home, "office") as stream:
                await stream.until(lambda: nodes.is_direct)
                nodes.wire.silence()
                await stream.until(lambda: nodes.hop == RELAY, more=200)
                await stream.to_the_end()


@pytest.mark.anyio
async def test_it_can_be_switched_off() -> None:
    async with three(direct=False) as nodes:
        nodes.wire.target = 0
        async with reading(nodes.home, "office") as stream:
            began = anyio.current_time()
            await stream.until(lambda: anyio.current_time() > began + 0.5)
            assert nodes.upgrades() == []
            assert nodes.wire.made == 0
            await stream.to_the_end()


@pytest.mark.anyio
async def test_an_address_that_leads_to_another_node_is_not_taken() -> None:
    async with make_node("other", heartbeat=5.0) as other, three() as nodes:
        nodes.wire.target = port_of(address_of(other))
        with anyio.fail_after(10):
            async with reading(nodes.home, "office") as stream:
                await stream.until(lambda: any(one["error"] for one in nodes.upgrades()))
                assert "another node" in nodes.upgrades()[0]["error"]
                assert "other" not in nodes.home.links
                assert "home" not in other.links
                assert nodes.hop == RELAY
                await stream.to_the_end()


# --- on the virtual clock


def _advertise(address: str) -> object:
    return lambda host: [address] if host.name == "office" else []


def _tries(simulation: Simulation) -> list[float]:
    """Return when home knocked at office's address."""
    events = {("refused", "home"), ("open", "home")}
    found = [event for event in simulation.trace if event[1:3] in events]
    return [time for time, *rest in found if isinstance(time, float) and rest[2] != "relay"]


async def _talk(home: Node, seconds: float) -> None:
    with anyio.move_on_after(seconds):
        while True:
            async with home.exchange(OFFICE, "ping", complete=True, deadline=5.0) as ex:
                await ex.receive()
            await anyio.sleep(1.0)


def test_nodes_that_talk_try_a_direct_link_at_most_once_in_a_minute() -> None:
    async def main(simulation: Simulation) -> None:
        advertise = _advertise("memory://nobody")
        async with mesh_of(
            simulation, ["home", "office", "relay"], LINKS, advertise=advertise
        ) as m:
            home = m.hosts["home"].running
            await comes_true(lambda: home.reachable(OFFICE), within=10)
            await anyio.sleep(600)
            assert _tries(simulation) == [], "tried without need"
            began = anyio.current_time()
            await _talk(home, 1800)
            tries = _tries(simulation)
            gaps = [there - here for here, there in pairwise(tries)]
            assert tries[0] - began < 5
            assert len(tries) >= 4
            assert min(gaps) >= 60
            assert all(later > gap for gap, later in pairwise(gaps))

    run_simulation(main, seed=1)


@pytest.mark.parametrize("seed", range(3))
def test_a_direct_link_is_made_within_seconds_and_made_again_a_minute_later(seed: int) -> None:
    async def main(simulation: Simulation) -> None:
        simulation.network.default = Quality(0.03, jitter=0.01)

        def advertise(host: Host) -> list[str]:
            return [f"memory://{host.name}"] if host.name != "relay" else []

        names = ["home", "office", "relay"]
        async with mesh_of(simulation, names, LINKS, advertise=advertise) as mesh:
            home = mesh.hosts["home"].running
            await comes_true(lambda: home.reachable(OFFICE), within=10)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_talk, home, 200.0)
                assert await comes_true(lambda: home.links.get(OFFICE) is not None, within=8)
                assert await comes_true(lambda: home.routes[OFFICE].next_hop == OFFICE, within=5)
                simulation.network.break_links("home", "office")
                await anyio.sleep(0.5)
                assert home.routes[OFFICE].next_hop == RELAY
                assert not await comes_true(lambda: OFFICE in home.links, within=30)
                assert await comes_true(lambda: OFFICE in home.links, within=60)
                tasks.cancel_scope.cancel()

    run_simulation(main, seed=seed)


@pytest.mark.parametrize("first", ["home", "office"])
def test_a_direct_link_is_made_again_with_a_new_secret_although_the_relay_is_gone(
    first: str,
) -> None:
    async def main(simulation: Simulation) -> None:
        names, fresh = ["home", "office", "relay"], Secret("a new secret, which is long enough")
        advertise = _advertise("memory://office")
        async with mesh_of(simulation, names, LINKS, advertise=advertise) as mesh:
            home, office = (mesh.hosts[name].running for name in ("home", "office"))
            await comes_true(lambda: home.reachable(OFFICE), within=10)
            await _talk(home, 15.0)
            await mesh.crash("relay", silent=False)
            before = home.links[OFFICE]
            ends = [home, office] if first == "home" else [office, home]
            for others in ([Secret(SECRET)], []):
                for node in ends:
                    node.keyring.put(fresh, others)
                    await anyio.sleep(0.5)
            assert before.closing is not None
            assert await comes_true(lambda: OFFICE in home.links and HOME in office.links, within=1)

    run_simulation(main, seed=1)
