"""What the transport takes of connections whose other end has not proved itself."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest

from clawmatrix_core import ConnectionLost, SecretFile
from clawmatrix_core.spi import Places
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mesh.config import MeshConfig
from clawmatrix_mesh.links.limits import HELLO_LIMIT
from clawmatrix_mesh.websocket.connection import BACKLOG
from clawmatrix_mesh.websocket.strangers import (
    CONTROL_FRAMES,
    FRAMES,
    FRAMES_HELD,
    OPENING,
    Door,
)
from clawmatrix_mesh.websocket.tls import server_tls
from clawmatrix_mesh.websocket.transport import WebSocketTransport
from tests.plugins.mesh.websocket.test_tls import Files
from tests.plugins.mesh.wire import PING, UPGRADE, Closed, Wire, port_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clawmatrix_core import Connection, Listener
    from clawmatrix_mesh.websocket.connection import WebSocket

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

UVLOOP = ("asyncio", {"use_uvloop": True})


@pytest.fixture(params=["asyncio", UVLOOP, "trio"], ids=["asyncio", "uvloop", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Nodes run on uvloop where it is installed."""
    return request.param


CROWDED = "too_many_connections"


@attrs.define
class Port:
    """A port with a door, and what was refused there."""

    listener: Listener
    door: Door
    refused: list[str]

    @property
    def number(self) -> int:
        return port_of(self.listener.addresses[0])

    async def accept(self) -> WebSocket:
        connection: Connection = await self.listener.accept()
        return connection  # type: ignore[return-value]


@asynccontextmanager
async def opened(
    *, strangers: int = 64, open_timeout: float = 10.0, files: Files | None = None
) -> AsyncIterator[Port]:
    """Listen with room for some strangers."""
    refused: list[str] = []
    places = Places(lambda _, reason: refused.append(reason), strangers=strangers)
    door = Door(places, lambda _, reason, __: refused.append(reason))
    tls = (
        None
        if files is None
        else server_tls(MeshConfig(tls_cert=SecretFile(files.cert), tls_key=SecretFile(files.key)))
    )
    transport = WebSocketTransport(server_tls=tls, open_timeout=open_timeout, door=door)
    scheme = "ws" if files is None else "wss"
    async with transport.listen(f"{scheme}://127.0.0.1:0") as listener:
        yield Port(listener, door, refused)
    await wait_until(lambda: len(door.places) == 0)


async def send_until_closed(port: int, first: bytes, more: bytes, most: int) -> int:
    """Send at most so much; return how much was taken before the other end closed."""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(first)
        sent = 0
        try:
            with anyio.move_on_after(10):
                while sent < most:
                    await stream.send(more)
                    sent += len(more)
                while True:
                    await stream.receive()
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            return sent
    raise AssertionError("the connection was kept")


async def send(wire: Wire, *messages: bytes) -> None:
    """Send to an end that may close meanwhile."""
    with suppress(Closed):
        for message in messages:
            await wire.send(message)


async def receive_all(connection: Connection) -> None:
    """Receive until the connection is lost. Raises: ConnectionLost."""
    while True:
        await connection.receive()


# --- before the WebSocket has opened


@pytest.mark.parametrize(
    "more",
    [b"a" * 65536, b"x-a: v\r\n" * 1000, b" " * 65536],
    ids=["one line", "many headers", "spaces"],
)
@pytest.mark.bound("clawmatrix_mesh.websocket.strangers.OPENING")
async def test_a_request_without_an_end_is_closed(more: bytes) -> None:
    async with opened() as port:
        await send_until_closed(port.number, b"GET / HTTP/1.1\r\nHost: x\r\nx: ", more, 1 << 24)
        await wait_until(lambda: len(port.door.places) == 0)
        assert port.refused in (["too_large"], [])  # the library refuses some heads sooner


async def test_a_request_that_does_not_come_is_given_up() -> None:
    async with opened(open_timeout=0.2) as port:
        await send_until_closed(port.number, b"GET / HTTP/1.1\r\n", b"", 0)
        await wait_until(lambda: port.refused == ["silent"])


async def test_who_only_looks_whether_somebody_listens_is_not_counted() -> None:
    async with opened() as port:
        async with await anyio.connect_tcp("127.0.0.1", port.number):
            await wait_until(lambda: len(port.door.places) == 1)
        await wait_until(lambda: len(port.door.places) == 0)
        assert port.refused == []


async def test_handshakes_of_tls_that_never_end_are_given_up(tmp_path: Path) -> None:
    async with (
        opened(open_timeout=0.3, files=Files(tmp_path)) as port,
        await anyio.connect_tcp("127.0.0.1", port.number) as stream,
    ):
        await stream.send(b"\x16\x03\x01\x02\x00")  # the beginning of a first message
        await wait_until(lambda: len(port.door.places) == 1)
        await wait_until(lambda: len(port.door.places) == 0)


async def test_a_handshake_of_tls_that_fails_is_counted(tmp_path: Path) -> None:
    async with opened(files=Files(tmp_path)) as port:
        for _ in range(3):
            await send_until_closed(port.number, b"GET / HTTP/1.1\r\n\r\n", b"", 0)
        await wait_until(lambda: port.refused == ["tls_failed"] * 3)
        async with await anyio.connect_tcp("127.0.0.1", port.number):
            await wait_until(lambda: len(port.door.places) == 1)
        await wait_until(lambda: len(port.door.places) == 0)
        assert port.refused == ["tls_failed"] * 3  # a look whether somebody listens is none


async def test_handshakes_of_tls_are_among_the_places(tmp_path: Path) -> None:
    async with opened(strangers=4, files=Files(tmp_path)) as port:
        crowd = [await anyio.connect_tcp("127.0.0.1", port.number) for _ in range(12)]
        await wait_until(lambda: len(port.refused) == 10)
        await wait_until(lambda: len(port.door.places) == 2)
        for one in crowd:
            await one.aclose()


async def test_a_crowd_without_a_word_makes_room_for_whoever_comes() -> None:
    async with opened(strangers=8) as port:
        crowd = [await anyio.connect_tcp("127.0.0.1", port.number) for _ in range(30)]
        async with await Wire.open(port.number):
            await port.accept()
            assert port.door.places.strangers <= 8
        assert set(port.refused) == {CROWDED}
        for one in crowd:
            await one.aclose()


# --- before the other end is proved


@pytest.mark.bound("clawmatrix_mesh.websocket.strangers.OPENING")
async def test_no_more_is_read_than_a_stranger_may_send() -> None:
    async with opened() as port, await anyio.connect_tcp("127.0.0.1", port.number) as stream:
        await stream.send(UPGRADE + Wire.frame(b"y" * 1000) * 40)
        connection = await port.accept()
        assert connection.stranger is not None
        for _ in range(40):
            assert await connection.receive() == b"y" * 1000
        await stream.send((Wire.frame(bytes(1_000_000)))[: 200 * 1024])
        with pytest.raises(ConnectionLost) as lost:
            await connection.receive()
        assert lost.value.code == 1009
        assert connection.stranger.read == OPENING
        await connection.close()


@pytest.mark.bound("clawmatrix_mesh.websocket.strangers.OPENING")
async def test_what_waits_to_be_taken_is_taken_before_the_connection_is_closed() -> None:
    async with opened() as port, await Wire.open(port.number) as wire:
        connection = await port.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, wire, b"z" * 30_000, b"z" * 90_000)
            stranger = connection.stranger
            assert stranger is not None
            await wait_until(lambda: stranger.left == 0)
            assert len(await connection.receive()) == 30_000
            with pytest.raises(ConnectionLost):
                await connection.receive()
            tasks.cancel_scope.cancel()


async def test_a_hello_is_read_once_it_is_allowed_and_everything_after_that() -> None:
    async with opened() as port, await Wire.open(port.number) as wire:
        connection = await port.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wire.send, b"first")
            assert await connection.receive() == b"first"
            connection.allow(HELLO_LIMIT)
            tasks.start_soon(wire.send, b"h" * 120_000)
            assert len(await connection.receive()) == 120_000
            connection.allow(None)
            assert connection.stranger is None
            assert port.door.places.strangers == 0
            for _ in range(3):
                tasks.start_soon(wire.send, b"m" * 1_000_000)
                assert len(await connection.receive()) == 1_000_000
        await connection.close()


@pytest.mark.bound("clawmatrix_mesh.websocket.strangers.FRAMES")
@pytest.mark.parametrize("opcode", [0, 1, 2, PING])
async def test_a_stranger_sends_few_frames(opcode: int) -> None:
    async with opened() as port, await Wire.open(port.number) as wire:
        connection = await port.accept()
        unfinished = bytes([opcode]) + Wire.frame(b"x", 0)[1:]
        first = b"\x02" + Wire.frame(b"x")[1:] if opcode == 0 else b""
        frame = unfinished if opcode == 0 else Wire.frame(b"x", opcode)
        await wire.stream.send(first + frame * (FRAMES + 1))
        closed = await wire.closed()
        assert closed.code in (1002, 1006)
        with pytest.raises(ConnectionLost):
            await receive_all(connection)


# --- after that


@pytest.mark.bound("clawmatrix_mesh.websocket.strangers.CONTROL_FRAMES")
async def test_pings_without_an_end_close_the_connection() -> None:
    async with opened() as port, await Wire.open(port.number) as wire:
        connection = await port.accept()
        connection.allow(None)
        for _ in range(3):  # a message between them makes them harmless
            await wire.stream.send(Wire.frame(b"", PING) * CONTROL_FRAMES + Wire.frame(b"m"))
            assert await connection.receive() == b"m"
        await wire.stream.send(Wire.frame(b"", PING) * (CONTROL_FRAMES + 1))
        with pytest.raises(ConnectionLost) as lost:
            await connection.receive()
        assert lost.value.code == 1002


@pytest.mark.bound("clawmatrix_mesh.websocket.strangers.FRAMES_HELD")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # others read fewer of them at once
async def test_frames_that_wait_are_bounded(anyio_backend: str) -> None:
    async with opened() as port, await Wire.open(port.number) as wire:
        connection = await port.accept()
        connection.allow(None)
        await wire.stream.send(Wire.frame(b"") * (FRAMES_HELD + 100))
        assert (await wire.closed()).code == 1002
        await connection.close()


@pytest.mark.bound("clawmatrix_mesh.websocket.connection.BACKLOG")
async def test_connections_that_wait_to_be_accepted_are_bounded() -> None:
    async with opened(strangers=4 * BACKLOG) as port, AsyncExitStack() as stack:
        for _ in range(BACKLOG):
            await stack.enter_async_context(await Wire.open(port.number))
        async with await Wire.open(port.number) as wire:
            assert (await wire.closed()).code == 1013
        await port.accept()
        async with await Wire.open(port.number):
            for _ in range(BACKLOG):
                await port.accept()
