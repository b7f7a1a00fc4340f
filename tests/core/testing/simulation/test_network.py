"""The simulated network: what it does to messages, connections and dials."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import ConnectionLost, DialError
from clawmatrix_core.testing.acceptance import TRANSPORT_CHECKS, TransportCase, TransportCheck
from clawmatrix_core.testing.simulation import Quality, Simulation, run_simulation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.wire.transport import Connection


@pytest.mark.parametrize("check", TRANSPORT_CHECKS, ids=lambda check: check.__name__)
def test_the_simulated_transport_passes(check: TransportCheck) -> None:
    async def scenario(simulation: Simulation) -> None:
        simulation.network.default = Quality(delay=0.0001, jitter=0.0001)
        names = (f"host{index}" for index in range(100))
        await check(
            TransportCase(
                transport=lambda: simulation.network.transport(next(names)),
                address="memory://one",
                other="memory://two",
                unreachable="memory://nobody",
            )
        )

    run_simulation(scenario, seed=5)


def simulate(body: Callable[[Simulation, Connection, Connection], Awaitable[None]]) -> list[Any]:
    """Run a scenario with a connection from ``a`` to ``b``, 10 ms apart; return the trace."""

    async def scenario(simulation: Simulation) -> list[Any]:
        async with AsyncExitStack() as stack:
            listen = simulation.network.transport("b").listen("memory://b")
            listener = await stack.enter_async_context(listen)
            dialled = await simulation.network.transport("a").dial("memory://b")
            await body(simulation, dialled, await listener.accept())
        return simulation.trace

    return run_simulation(scenario, seed=7)


def now() -> float:
    return round(anyio.current_time(), 6)


def test_messages_take_their_time() -> None:
    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        assert now() == 0.02
        simulation.network.set_quality("a", "b", Quality(delay=1.0), one_way=True)
        await a.send(b"slow")
        assert (await b.receive(), now()) == (b"slow", 1.02)
        await b.send(b"quick")
        assert (await a.receive(), now()) == (b"quick", 1.03)

    trace = simulate(body)
    assert [event[1:] for event in trace if event[1] == "delivered"] == [
        ("delivered", "a", "b", 1, 4),
        ("delivered", "b", "a", 1, 5),
    ]


def test_jitter_keeps_the_order_and_reordering_does_not() -> None:
    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        for reorder in (0.0, 0.3):
            quality = Quality(delay=0.01, jitter=1.0, reorder=reorder)
            simulation.network.set_quality("a", "b", quality)
            sent = [b"%d" % index for index in range(50)]
            for message in sent:
                await a.send(message)
            received = [await b.receive() for _ in sent]
            assert sorted(received) == sorted(sent)
            assert (received == sent) == (reorder == 0.0)

    simulate(body)


def test_dropped_messages_are_gone_and_the_close_is_not() -> None:
    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        simulation.network.set_quality("a", "b", Quality(drop=0.5))
        for index in range(80):
            await a.send(b"%d" % index)
        await a.close(4005)
        received = []
        lost: ConnectionLost | None = None
        while lost is None:
            try:
                received.append(int(await b.receive()))
            except ConnectionLost as error:
                lost = error
        assert lost.code == 4005
        assert 20 < len(received) < 60
        assert received == sorted(received)

    assert sum(event[1] == "lost" for event in simulate(body)) > 20


def test_a_block_stalls_one_direction_until_it_ends() -> None:
    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        await a.send(b"in flight")
        simulation.network.block("a", "b", one_way=True)
        await a.send(b"sent later")
        await b.send(b"the other way")
        assert await a.receive() == b"the other way"
        with anyio.move_on_after(100) as scope:
            await b.receive()
        assert scope.cancelled_caught
        simulation.network.unblock("a", "b", one_way=True)
        await a.send(b"after")
        assert await b.receive() == b"in flight"
        assert round(anyio.current_time() - 100.02, 6) == 0.02
        assert [await b.receive(), await b.receive()] == [b"sent later", b"after"]

    simulate(body)


def test_a_sender_into_a_block_is_held_up() -> None:
    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        simulation.network.block("a", "b")
        with anyio.move_on_after(1000) as scope:
            while True:
                await a.send(bytes(1000))
        assert scope.cancelled_caught

    simulate(body)


def test_dials_wait_for_a_block_to_end_and_give_up_in_time() -> None:
    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        network, started = simulation.network, anyio.current_time()
        network.block("b", "a", one_way=True)
        with pytest.raises(DialError, match="no answer from memory://b within 10 s"):
            await network.transport("a").dial("memory://b")
        assert anyio.current_time() - started == 10.0

        async def unblock() -> None:
            await anyio.sleep(5)
            network.heal()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(unblock)
            await network.transport("a").dial("memory://b")
        assert round(anyio.current_time() - started, 6) == 15.02

    simulate(body)


def test_a_partition_parts_groups_and_those_in_none() -> None:
    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        network = simulation.network
        network.partition([["a", "c"], ["b"]])
        assert network.is_blocked("a", "b")
        assert network.is_blocked("a", "z")
        assert not network.is_blocked("a", "c")
        assert not network.is_blocked("y", "z")
        await a.send(b"stalls")
        network.partition([["a", "b"]])
        assert await b.receive() == b"stalls"
        network.heal()
        assert not network.is_blocked("a", "z")

    simulate(body)


def test_broken_links_are_an_error_at_both_ends_at_once() -> None:
    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        await a.send(b"never arrives")
        simulation.network.break_links("b", "a")
        for end in (a, b):
            with pytest.raises(ConnectionLost, match="connection reset") as lost:
                await end.receive()
            assert lost.value.code is None
            with pytest.raises(ConnectionLost, match="connection reset"):
                await end.send(b"x")
        assert now() == 0.02

    simulate(body)


def test_a_crash_resets_connections_and_refuses_dials_until_the_restart() -> None:
    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        network, old = simulation.network, simulation.network.transport("b")
        network.crash("b")
        with pytest.raises(ConnectionLost, match="reset"):
            await b.receive()
        with pytest.raises(ConnectionLost, match="reset"):
            await a.receive()
        assert now() == 0.03
        with pytest.raises(DialError, match="refused"):
            await network.transport("a").dial("memory://b")
        with pytest.raises(DialError, match="has crashed"):
            await old.dial("memory://a")
        with pytest.raises(OSError, match="has crashed"):
            async with old.listen("memory://b"):
                pass
        async with network.transport("b").listen("memory://b") as listener:
            await network.transport("a").dial("memory://b")
            assert (await listener.accept()).remote == "memory://a#3"

    simulate(body)


def test_a_silent_crash_shows_in_nothing_until_the_restart() -> None:
    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        network = simulation.network
        network.crash("b", silent=True)
        with pytest.raises(ConnectionLost):
            await b.send(b"from the dead")
        await a.send(b"into the dark")
        with anyio.move_on_after(100) as scope:
            await a.receive()
        assert scope.cancelled_caught
        with pytest.raises(DialError, match="no answer"):
            await network.transport("a").dial("memory://b")
        network.transport("b")
        with pytest.raises(ConnectionLost, match="reset"):
            await a.receive()

    simulate(body)


def test_a_restarted_host_resets_what_it_does_not_know() -> None:
    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        simulation.network.crash("b", silent=True)
        simulation.network.transport("b")
        with anyio.move_on_after(100) as scope:
            await a.receive()
        assert scope.cancelled_caught
        await a.send(b"hello?")
        with pytest.raises(ConnectionLost, match="reset"):
            await a.receive()

    simulate(body)


def test_a_close_waits_behind_messages_and_blocks() -> None:
    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        simulation.network.block("a", "b")
        await a.send(b"last words")
        await a.close(4001, "bye")
        with anyio.move_on_after(50) as scope:
            await b.receive()
        assert scope.cancelled_caught
        simulation.network.heal()
        assert await b.receive() == b"last words"
        with pytest.raises(ConnectionLost, match="bye") as lost:
            await b.receive()
        assert lost.value.code == 4001

    simulate(body)


def test_addresses_are_checked_as_by_the_memory_transport() -> None:
    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        transport = simulation.network.transport("c")
        with pytest.raises(DialError, match="is not an address"):
            await transport.dial("ws://b")
        with pytest.raises(OSError, match="is not an address"):
            async with transport.listen("ws://b"):
                pass
        with pytest.raises(OSError, match="in use"):
            async with transport.listen("memory://b"):
                pass

    simulate(body)


def test_single_messages_are_lost_repeated_and_late_where_they_are_tampered_with() -> None:
    fates: dict[bytes, tuple[float, ...]] = {b"lost": (), b"late": (0.5,), b"twice": (0.0, 1.0)}

    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        simulation.network.tamper = lambda source, target, message: fates.get(message, (0.0,))
        for message in (b"lost", b"late", b"twice", b"plain"):
            await a.send(message)
        received = [(await b.receive(), now()) for _ in range(4)]
        assert received == [(b"twice", 0.03), (b"plain", 0.03), (b"late", 0.53), (b"twice", 1.03)]
        await b.send(b"plain")
        assert await a.receive() == b"plain"

    trace = simulate(body)
    assert [event[-1] for event in trace if event[1] == "tampered"] == [(), (0.5,), (0.0, 1.0)]


def test_copies_of_a_message_take_room_until_they_are_read() -> None:
    async def body(simulation: Simulation, a: Connection, b: Connection) -> None:
        simulation.network.tamper = lambda *_: (0.0, 0.0)
        for _ in range(32):
            await a.send(b"message")
        with anyio.move_on_after(5) as waited:
            await a.send(b"one too many")
        assert waited.cancelled_caught
        for _ in range(64):
            assert await b.receive() == b"message"
        await a.send(b"message")

    simulate(body)
