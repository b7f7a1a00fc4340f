"""The memory transport, beyond what the acceptance suite holds it to."""

from __future__ import annotations

import anyio
import pytest

from clawmatrix_core.base.bell import Bell
from clawmatrix_core.base.errors import ConnectionLost, DialError
from clawmatrix_core.testing.memory import MemoryHub, MemoryTransport, Pipe, name_of

pytestmark = pytest.mark.anyio


async def test_a_bell_wakes_all_who_wait_and_nobody_later() -> None:
    bell, woken = Bell(), []
    bell.ring()

    async def wait(name: str) -> None:
        await bell.wait()
        woken.append(name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, "a")
        tasks.start_soon(wait, "b")
        await anyio.wait_all_tasks_blocked()
        assert woken == []
        bell.ring()
        await anyio.wait_all_tasks_blocked()
        assert sorted(woken) == ["a", "b"]


async def test_a_pipe_is_bounded_by_bytes_and_by_messages() -> None:
    for pipe, message in ((Pipe(size=10, messages=99), b"12345"), (Pipe(messages=2), b"")):
        for _ in range(2):
            await pipe.reserve(len(message))
            pipe.arrive(message)
        with anyio.move_on_after(0) as scope:
            await pipe.reserve(1)
        assert scope.cancelled_caught
        assert await pipe.get() == message
        await pipe.reserve(1)
        pipe.release(1)
        assert pipe.holds


async def test_a_pipe_gives_what_arrived_before_its_end() -> None:
    pipe = Pipe()
    await pipe.reserve(1)
    pipe.arrive(b"1")
    pipe.end_reader(ConnectionLost.closed(4000, "first"))
    pipe.end_reader(ConnectionLost.closed(4001, "second"))
    pipe.arrive(b"late")
    assert await pipe.get() == b"1"
    for _ in range(2):
        with pytest.raises(ConnectionLost, match="first") as lost:
            await pipe.get()
        assert lost.value.code == 4000


async def test_a_pipe_that_ends_wakes_its_writer() -> None:
    pipe = Pipe(messages=1)
    await pipe.reserve(0)

    async def write() -> None:
        with pytest.raises(ConnectionLost, match=r"^connection closed \(1000\)$"):
            await pipe.reserve(0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        pipe.end_writer(ConnectionLost.closed(1000, ""))


async def test_hubs_are_apart() -> None:
    async with MemoryTransport(MemoryHub()).listen("memory://office"):
        with pytest.raises(DialError, match="connection refused by memory://office"):
            await MemoryTransport(MemoryHub()).dial("memory://office")


async def test_a_name_is_listened_at_once_only() -> None:
    hub = MemoryHub()
    async with MemoryTransport(hub).listen("memory://office"):
        with pytest.raises(OSError, match="in use"):
            async with MemoryTransport(hub).listen("memory://office"):
                pass
    async with MemoryTransport(hub).listen("memory://office"):
        pass


@pytest.mark.parametrize("address", ["office", "memory://", "ws://office"])
async def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        name_of(address)
    with pytest.raises(DialError, match="is not an address"):
        await MemoryTransport(MemoryHub()).dial(address)
    with pytest.raises(OSError, match="is not an address"):
        async with MemoryTransport(MemoryHub()).listen(address):
            pass


async def test_a_listener_that_accepts_nobody_refuses_in_the_end() -> None:
    transport = MemoryTransport(MemoryHub())
    async with transport.listen("memory://office"):
        connections = [await transport.dial("memory://office") for _ in range(128)]
        with pytest.raises(DialError, match="does not accept"):
            await transport.dial("memory://office")
    for connection in connections:
        with pytest.raises(ConnectionLost) as lost:
            await connection.receive()
        assert lost.value.code == 1001


async def test_ends_know_each_other_by_name() -> None:
    transport = MemoryTransport(MemoryHub())
    async with transport.listen("memory://office") as listener:
        dialled = await transport.dial("memory://office")
        accepted = await listener.accept()
        assert dialled.remote == "memory://office"
        assert accepted.remote == "memory://dialler-1"
        assert repr(dialled) == "<MemoryConnection to memory://office open>"
        await accepted.close()
        assert repr(dialled) == "<MemoryConnection to memory://office closed>"
