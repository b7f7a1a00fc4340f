"""Accepted sockets and their places, on real sockets."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.held_sockets import HeldListener
from clawmatrix_core.base.places import Places
from clawmatrix_core.testing.fixtures import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def places() -> Places:
    return Places(lambda _: None, most=8, strangers=4)


@pytest.fixture
def listener(places: Places) -> Iterator[HeldListener]:
    bound = socket.create_server(("127.0.0.1", 0))
    with HeldListener(bound, places) as listener:
        assert bound.fileno() == -1
        yield listener


def dial(listener: HeldListener) -> socket.socket:
    return socket.create_connection(listener.getsockname(), 5)


def test_a_place_is_taken_by_accepting_and_free_after_closing(
    listener: HeldListener, places: Places
) -> None:
    with pytest.raises(BlockingIOError):
        listener.accept()
    with dial(listener) as client:
        accepted, name = listener.accept()
        assert name == client.getsockname()
        assert places.find(accepted.fileno()) is not None
        accepted.close()
        accepted.close()
        assert len(places) == 0
        assert client.recv(1) == b""


def test_for_a_newcomer_the_oldest_stranger_is_cut(listener: HeldListener, places: Places) -> None:
    with dial(listener) as first, dial(listener), dial(listener):
        held = [listener.accept()[0] for _ in range(3)]
        assert first.recv(1) == b""
        assert held[0].recv(1) == b""
        for one in held:
            one.close()
    assert len(places) == 0


def test_whoever_gets_no_place_is_closed_and_the_next_call_goes_on(listener: HeldListener) -> None:
    clients = [dial(listener) for _ in range(100)]
    held = []
    for _ in range(3):
        try:
            while True:
                held.append(listener.accept()[0])
        except BlockingIOError:
            pass
    assert len(held) == 8
    for one in [*held, *clients]:
        one.close()


def test_without_a_free_descriptor_the_loop_rests_and_then_accepts(
    listener: HeldListener,
) -> None:
    told: list[int | None] = []
    accepted: list[asyncio.BaseTransport] = []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.append(transport)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, told_of: told.append(told_of["exception"].errno))
        server = await loop.create_server(Protocol, sock=listener, backlog=500)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        client = socket.socket()
        client.setblocking(False)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            client.connect_ex(listener.getsockname())
            await wait_until(lambda: bool(told))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await wait_until(lambda: bool(accepted))
        for transport in accepted:
            transport.close()
        client.close()
        server.close()
        await server.wait_closed()

    asyncio.run(main())
    assert told == [errno.EMFILE]
