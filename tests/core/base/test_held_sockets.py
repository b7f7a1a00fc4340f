"""Connections that are accepted, and their places, on real sockets and two event loops."""

from __future__ import annotations

import asyncio
import resource
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest

from clawmatrix_core.base.held_sockets import HeldServer
from clawmatrix_core.base.places import Places
from clawmatrix_core.testing.fixtures import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[attr-defined]


@attrs.define
class Port:
    places: Places
    refused: list[str]
    server: HeldServer
    name: tuple[str, int]

    async def dial(self) -> SocketStream:
        return await anyio.connect_tcp(*self.name)


@asynccontextmanager
async def listening(*, most: int = 8, strangers: int = 4) -> AsyncIterator[Port]:
    bound = socket.create_server(("127.0.0.1", 0), backlog=200)
    bound.setblocking(False)
    refused: list[str] = []
    places = Places(lambda _, reason: refused.append(reason), most=most, strangers=strangers)
    server = HeldServer(Echo, [bound], places)
    server.start()
    assert server.is_serving()
    try:
        yield Port(places, refused, server, bound.getsockname())
    finally:
        server.close()
        server.close()
        await server.wait_closed()
        assert not server.is_serving()


async def test_a_place_is_taken_by_accepting_and_free_after_closing() -> None:
    async with listening() as port:
        async with await port.dial() as client:
            await client.send(b"hello")
            assert await client.receive() == b"hello"
            assert len(port.places) == 1
        await wait_until(lambda: len(port.places) == 0)


async def test_for_a_newcomer_the_oldest_stranger_is_cut() -> None:
    async with listening() as port:
        first, second, third = [await port.dial() for _ in range(3)]
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await first.receive()
        for one in (second, third):
            await one.send(b"x")
            assert await one.receive() == b"x"
        for one in (first, second, third):
            await one.aclose()
        await wait_until(lambda: len(port.places) == 0)


async def test_a_crowd_never_has_more_than_the_places() -> None:
    async with listening() as port:
        crowd = [await port.dial() for _ in range(150)]
        await wait_until(lambda: len(port.refused) >= 148)
        await wait_until(lambda: len(port.places) <= 2)
        async with await port.dial() as friend:
            await friend.send(b"friend")
            assert await friend.receive() == b"friend"
        for one in crowd:
            await one.aclose()
        await wait_until(lambda: len(port.places) == 0)


async def test_without_a_free_descriptor_the_server_rests_and_then_accepts() -> None:
    async with listening() as port:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket() as client:
            client.setblocking(False)
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
            try:
                client.connect_ex(port.name)
                await wait_until(lambda: bool(port.refused))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await wait_until(lambda: len(port.places) == 1)
        assert port.refused == ["no_descriptor"]
