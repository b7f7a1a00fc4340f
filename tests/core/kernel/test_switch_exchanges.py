"""Exchanges over switches: neighbours, by way of a relay, and a node with itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.wire.codec import (
    CHUNK,
    Lane,
)
from clawmatrix_core.wire.routes import Route
from tests.core.kernel.switch_net import HOME, OFFICE, RELAY, Net, neighbours, over_a_relay

if TYPE_CHECKING:
    from clawmatrix_core.exchange.exchange import Exchange

pytestmark = pytest.mark.anyio


# --- exchanges over switches


async def echo(ex: Exchange) -> None:
    """Send back what comes."""
    async for payload in ex:
        await ex.send(payload)


async def test_nodes_that_are_no_neighbours_talk_sealed_end_to_end() -> None:
    net = over_a_relay()
    home, office, relay = net["home"], net["office"], net["relay"]
    async with office.scope, anyio.create_task_group() as tasks:
        office.handlers["echo"] = echo
        got: list[Any] = []

        async def talk() -> None:
            async with home.exchanges.open(OFFICE, "echo") as ex:
                await ex.send({"text": "nobody on the way reads this"})
                await ex.finish(bytes(3 * CHUNK))
                got.extend([payload async for payload in ex])

        tasks.start_soon(talk)
        await net.settle()
        assert got[0] == {"text": "nobody on the way reads this"}
        assert sum(map(len, got[1:])) == 3 * CHUNK
    for transit in relay.transits:
        assert b"nobody" not in transit.wire.message
        if transit.header.type not in ("session_open", "session_accept"):
            assert transit.header.body == "sealed"
    assert not home.counters
    assert not office.counters
    assert not relay.frames


async def test_an_exchange_moves_from_a_link_to_a_relay() -> None:
    net = over_a_relay()
    net.join("home", "office")
    home, office = net["home"], net["office"]
    for station, peer in ((home, OFFICE), (office, HOME)):
        station.ways.routes = {peer: Route(peer, 1.0, 1)}
    async with office.scope:
        office.handlers["echo"] = echo
        ex = await home.exchanges.open(OFFICE, "echo").__aenter__()
        await ex.send(1)
        net.waiting("home", "office")  # lost with the link
        for station, peer in ((home, OFFICE), (office, HOME)):
            link = station.ways.links.pop(peer)
            station.sessions.remove_link(link.session)
            station.ways.routes = {peer: Route(RELAY, 1.0, 2)}
        home.exchanges.flush(OFFICE, again=True)
        await net.settle()
        assert await ex.receive() == 1
        await ex.__aexit__(None, None, None)
        await net.settle()
    assert not home.exchanges.live
    assert not office.exchanges.live


async def test_a_full_lane_makes_a_stream_wait_and_no_more() -> None:
    net, home, office = neighbours()
    async with office.scope:
        office.handlers["echo"] = echo
        link = home.link("office")
        while link.enqueue(b"\x20", Lane.INTERACTIVE):
            pass
        ex = await home.exchanges.open(OFFICE, "echo", complete=True).__aenter__()
        assert not ex.may_have_begun
        [end] = home.exchanges.live
        assert list(link._space_waiters) == [end.flush]
        while link._lanes.pop() is not None:
            pass
        link._tell_waiters()
        await net.settle()
        assert [payload async for payload in ex] == []
        await ex.__aexit__(None, None, None)


# --- a node that talks to itself


async def test_a_node_can_ask_itself() -> None:
    net = Net("home")
    home = net["home"]
    async with home.scope:
        home.handlers["echo"] = echo
        async with home.exchanges.open(HOME, "echo") as ex:
            for number in range(5):
                await ex.send({"n": number})
                assert await ex.receive() == {"n": number}
            await ex.finish(b"last")
            assert [payload async for payload in ex] == [b"last"]
        await net.settle()
    assert not home.exchanges.live
    assert not home.counters


async def test_a_node_streams_to_itself_without_waiting_for_a_probe() -> None:
    net = Net("home")
    home = net["home"]
    async with home.scope:
        home.handlers["echo"] = echo
        with anyio.fail_after(10):
            async with (
                home.exchanges.open(HOME, "echo") as ex,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(ex.finish, bytes(20 * CHUNK))
                assert sum([len(payload) async for payload in ex]) == 20 * CHUNK
        await net.settle()
    assert not home.exchanges.live


async def test_a_node_that_leaves_itself_early_cancels_the_handler() -> None:
    net = Net("home")
    home = net["home"]
    cancelled = []

    async def wait(ex: Exchange) -> None:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            cancelled.append(ex.id)
            raise

    async with home.scope:
        home.handlers["it"] = wait
        async with home.exchanges.open(HOME, "it"):
            await net.settle()
        await net.settle()
        assert len(cancelled) == 1
    assert not home.exchanges.live


async def test_a_node_refuses_itself_what_it_does_not_know() -> None:
    net = Net("home")
    home = net["home"]
    home.takes = False
    with pytest.raises(ExchangeFailure, match="home has no 'nonsense'"):
        async with home.exchanges.open(HOME, "nonsense") as ex:
            await ex.receive()
    await net.settle()
    assert not home.exchanges.live
    assert home.counters == {"unknown_type": 1}
