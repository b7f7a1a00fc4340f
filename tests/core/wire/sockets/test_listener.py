"""A listener over a stream socket: whom it accepts, and what it lets go of."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.errors import ConnectionLost
from clawmatrix_core.wire.sockets.connection import SocketConnection
from clawmatrix_core.wire.sockets.listener import SocketListener

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]


def listener(remote: Callable[[socket.socket], str] | None = None) -> SocketListener:
    sock = socket.create_server(("127.0.0.1", 0))
    port: int = sock.getsockname()[1]
    return SocketListener(sock, f"tcp://127.0.0.1:{port}", remote=remote)


def dial(listener: SocketListener) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(listener.addresses[0].rpartition(":")[2])))


def port_of(sock: socket.socket) -> str:
    return f"port:{sock.getpeername()[1]}"


async def test_each_has_the_address_that_the_transport_gives_it() -> None:
    async with listener(port_of) as one:
        with dial(one) as dialled:
            assert (await one.accept()).remote == f"port:{dialled.getsockname()[1]}"
    async with listener() as other:
        with dial(other):
            assert (await other.accept()).remote == other.addresses[0]


async def test_one_that_is_gone_before_it_is_accepted_is_passed_over() -> None:
    async with listener(port_of) as one:
        gone = dial(one)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()  # with a reset: the socket that is accepted has no other end
        with dial(one) as dialled:
            assert (await one.accept()).remote == f"port:{dialled.getsockname()[1]}"


async def test_a_fault_in_naming_the_other_end_leaves_no_socket() -> None:
    def broken(sock: socket.socket) -> str:
        raise ZeroDivisionError

    async with listener(broken) as one:
        with dial(one) as dialled:
            with pytest.raises(ZeroDivisionError):
                await one.accept()
            assert dialled.recv(1) == b""


async def test_leaving_closes_what_is_open_and_wakes_who_accepts() -> None:
    async with anyio.create_task_group() as tasks, listener() as one:
        dialled = SocketConnection(dial(one), "there")
        closed = await one.accept()
        other = SocketConnection(dial(one), "there")
        await one.accept()
        async with anyio.create_task_group() as closing:
            closing.start_soon(closed.close)
            with pytest.raises(ConnectionLost):
                await dialled.receive()
        assert len(one._accepted) == 1

        async def accept() -> None:
            with pytest.raises(anyio.ClosedResourceError):
                await one.accept()

        async def receive() -> None:
            with pytest.raises(ConnectionLost) as caught:
                await other.receive()
            assert caught.value.code == 1001

        tasks.start_soon(accept)
        tasks.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
    await dialled.close()
    await other.close()
