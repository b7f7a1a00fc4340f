"""A connection over a stream socket: closes, cancelled sends, and other ends that misbehave."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.errors import ConnectionLost
from clawmatrix_core.wire.sockets.connection import CLOSE_TIME, SocketConnection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]


@contextmanager
def pair() -> Iterator[tuple[SocketConnection, SocketConnection]]:
    one, other = socket.socketpair()
    with one, other:
        yield SocketConnection(one, "there"), SocketConnection(other, "here")


async def lost(operation: Awaitable[object]) -> tuple[int | None, str]:
    with pytest.raises(ConnectionLost) as caught:
        await operation
    return caught.value.code, str(caught.value)


async def fill(connection: SocketConnection) -> None:
    """Send until nothing more is taken, and cancel that send in the middle of a message."""
    with anyio.move_on_after(0.2):
        while True:
            await connection.send(bytes(100_000))


async def test_the_rest_of_a_cancelled_message_goes_first() -> None:
    with pair() as (here, there):
        await fill(here)
        with anyio.move_on_after(0.1):
            await here.send(b"never begun, since the rest of the one before is still here")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.send, b"next")
            while (message := await there.receive()) != b"next":
                assert message == bytes(100_000)


async def test_two_tasks_that_send_do_not_mix_their_messages() -> None:
    messages = [bytes([number]) * 300_000 for number in range(4)]
    with pair() as (here, there):
        async with anyio.create_task_group() as tasks:
            for message in messages:
                tasks.start_soon(here.send, message)
            received = [await there.receive() for _ in messages]
        assert sorted(received) == messages


async def test_a_close_while_a_send_waits_still_says_why() -> None:
    with pair() as (here, there):
        async with anyio.create_task_group() as tasks:

            async def send() -> None:
                while True:
                    await here.send(bytes(100_000))

            tasks.start_soon(lost, send())
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(here.close, 4001, "enough")

            async def receive() -> None:
                while True:
                    assert await there.receive() == bytes(100_000)

            assert await lost(receive()) == (4001, "connection closed (4001): enough")


async def test_last_words_arrive_though_the_closing_end_has_not_read_everything() -> None:
    with pair() as (here, there):
        await there.send(b"never read")
        await here.send(b"last words")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.close, 4001, "enough")
            await anyio.wait_all_tasks_blocked()
            assert await there.receive() == b"last words"
            assert (await lost(there.receive()))[0] == 4001
        assert (await lost(here.receive()))[0] == 4001


async def test_a_close_that_is_read_is_done_at_once() -> None:
    with pair() as (here, there), anyio.fail_after(CLOSE_TIME / 2):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.close, 4001)
            assert (await lost(there.receive()))[0] == 4001


async def test_a_close_wakes_the_tasks_of_its_own_end_at_once() -> None:
    with pair() as (here, there):
        await fill(here)
        async with anyio.create_task_group() as tasks:
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(lost, here.receive())
                waiting.start_soon(lost, here.send(b"more"))
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(here.close)
                began = anyio.current_time()
            assert anyio.current_time() - began < CLOSE_TIME / 2
        await there.close()


async def test_over_tcp_last_words_arrive_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        dialled = socket.create_connection(server.getsockname())
        here = SocketConnection(dialled, "there")
        there = SocketConnection(server.accept()[0], "here")
    assert dialled.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    await there.send(b"never read")
    await fill(here)  # so that much is still under way when it closes

    async def receive() -> None:
        while True:
            assert await there.receive() == bytes(100_000)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(here.close, 4001, "enough")
        assert (await lost(receive()))[0] == 4001
    await there.close()


async def test_a_close_waits_no_longer_than_its_time() -> None:
    with pair() as (here, there):
        await fill(here)  # so that not even the close fits
        with anyio.fail_after(CLOSE_TIME * 5):
            await here.close(4001)
        await there.close()


async def test_a_close_that_is_cancelled_says_why_and_frees_the_socket() -> None:
    one, other = socket.socketpair()
    closed: list[SocketConnection] = []
    here, there = SocketConnection(one, "a", when_closed=closed.append), SocketConnection(other, "")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await here.close(4001, "stopping")
    assert one.fileno() == -1
    assert closed == [here]
    assert await lost(there.receive()) == (4001, "connection closed (4001): stopping")
    await there.close()


async def test_both_ends_that_close_at_once_are_done_at_once() -> None:
    with pair() as (here, there):
        with anyio.fail_after(CLOSE_TIME / 2):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(here.close, 4001)
                tasks.start_soon(there.close, 4002)
        assert (await lost(here.receive()))[0] == 4001
        assert (await lost(there.send(b"")))[0] == 4002


async def test_an_end_that_vanishes_has_no_code() -> None:
    with pair() as (here, there):
        await there.send(b"before")
        there._sock.close()
        assert await here.receive() == b"before"
        for _ in range(2):
            assert await lost(here.receive()) == (None, "the other end is gone")
            assert await lost(here.send(b"")) == (None, "the other end is gone")
        await here.close()


async def test_a_limit_refuses_and_the_close_says_so() -> None:
    with pair() as (here, there):
        here.limit(10)
        await there.send(bytes(10))
        assert await here.receive() == bytes(10)
        await there.send(bytes(11))
        assert await lost(here.receive()) == (
            1009,
            "connection closed (1009): a message is too large",
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.close, 1000)
            assert (await lost(there.receive()))[0] == 1009


async def test_what_is_no_message_loses_the_connection() -> None:
    one, other = socket.socketpair()
    with one, other:
        other.sendall(b"GET / HTTP/1.1\r\n\r\n")
        here = SocketConnection(one, "there")
        assert (await lost(here.receive()))[0] == 1002
        other.close()
        await here.close()


async def test_a_cancelled_receive_loses_nothing() -> None:
    with pair() as (here, there):
        there._sock.send(b"m\0\0\0\4ab")
        with anyio.move_on_after(0.05):
            await here.receive()
        there._sock.send(b"cd")
        assert await here.receive() == b"abcd"


def test_only_a_stream_is_taken() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        pytest.raises(TypeError, match="a stream socket is needed"),
    ):
        SocketConnection(sock, "there")
