"""WebSocket connections under asyncio."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.frames import CloseCode, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from clawmatrix_core.spi import HeldServer, Places
from clawmatrix_mesh.websocket.address import host_port
from clawmatrix_mesh.websocket.connection import (
    CLOSE_TIMEOUT,
    HELD_LIMIT,
    WRITE_LIMIT,
    WebSocket,
    WebSocketListener,
    counting,
    tune,
)
from clawmatrix_mesh.websocket.doorkeeper import Doorkeeper
from clawmatrix_mesh.websocket.strangers import FRAMES_HELD, READ, Stranger, Watched

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from clawmatrix_mesh.websocket.address import WebSocketAddress
    from clawmatrix_mesh.websocket.front import Front
    from clawmatrix_mesh.websocket.strangers import Door
    from clawmatrix_mesh.websocket.way import Way

__all__ = ["dial", "listen"]


class _Connection(Watched, Connection):
    """What both ends have beside the library."""

    _door: Doorkeeper | None = None

    def guard(self, transport: asyncio.BaseTransport, buffer: bytearray) -> None:
        """Read as much as a stranger may send, until ``allow`` says otherwise."""
        self.stranger = Stranger()
        reading = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        self._door = Doorkeeper(self, self.stranger, buffer, reading)

    def allow(self, size: int | None) -> None:
        if self._door is None:
            return
        self._door.allow(size)
        if size is None:
            self._door = self.stranger = None

    def fail(self, code: int, reason: str) -> None:
        """Close the connection, telling the other end where that is possible."""
        if self.protocol.state is State.CONNECTING:
            self.transport.abort()
        elif self.protocol.state is State.OPEN:
            self.protocol.fail(code, reason)
            self.send_data()
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        _look_after(self)


class _Client(_Connection, ClientConnection):
    def connection_lost(self, exc: Exception | None) -> None:
        # TLS that fails behind a proxy loses a connection that the library has not made yet.
        if hasattr(self, "recv_messages"):
            super().connection_lost(exc)


class _GuardedClient(_Client):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.guard(transport, bytearray(READ))


class _Server(_Connection, ServerConnection):
    pass


def _look_after(ws: _Connection) -> None:
    """Cut off a peer that the library would let fill memory, or keep a closed connection."""
    if ws.transport.get_write_buffer_size() > HELD_LIMIT:
        # Answers to pings wait for nobody, so a peer that pings and does not read could.
        ws.transport.abort()
    elif len(ws.recv_messages.frames) > FRAMES_HELD:
        ws.fail(CloseCode.PROTOCOL_ERROR, "too many frames at once")
    if ws.state is State.CLOSING:
        ws.loop.call_later(CLOSE_TIMEOUT, ws.transport.abort)


class _Dial(connect):
    """Dials the address that it was given, and follows no redirect.

    Attributes:
        through: the address that a proxy is told, where that is another one.
    """

    through: str | None = None

    async def open_tcp_connection(self) -> ClientConnection:
        if self.through is None:
            return await super().open_tcp_connection()
        named, make = self.ws_uri, self.factory
        self.ws_uri, self.factory = parse_uri(self.through), lambda uri: make(named)
        return await super().open_tcp_connection()

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _WebSocket(WebSocket):
    """A connection with short ways around the library's tasks, for what need not wait."""

    _ws: _Connection

    def __init__(
        self, ws: _Connection, remote: str, proved: Callable[[], None] | None = None
    ) -> None:
        super().__init__(ws, remote, close=ws.close, abort=ws.transport.abort, proved=proved)

    def send_now(self, message: bytes) -> bool:
        ws = self._ws
        if ws.paused or ws.state is not State.OPEN or ws.transport.is_closing():
            return False
        ws.protocol.send_binary(message)
        ws.send_data()
        return True

    async def send(self, message: bytes) -> None:
        if not self.send_now(message):
            await super().send(message)
        elif self._ws.paused:
            with suppress(OSError):  # the next call says that the connection is lost
                await self._ws.drain()

    async def receive(self) -> bytes:
        if self._closing is None and self._ws.stranger is None:
            messages = self._ws.recv_messages
            frames = messages.frames.queue
            if frames and frames[0].fin and frames[0].opcode is Opcode.BINARY:
                data = frames.popleft().data
                messages.maybe_resume()
                return bytes(data)
        return await super().receive()


async def dial(
    address: str,
    target: str,
    way: Way,
    settings: Mapping[str, Any],
    *,
    guarded: bool,
) -> WebSocket:
    if "ssl" in settings:
        settings = {**settings, "ssl_shutdown_timeout": CLOSE_TIMEOUT}
    # Where a proxy connects, the library may set the socket itself.
    sock: dict[str, Any] = {} if way.sock is None else {"sock": way.sock}
    made = _GuardedClient if guarded else _Client
    dial = _Dial(address, create_connection=made, write_limit=WRITE_LIMIT, **settings, **sock)
    dial.through = way.through
    ws = await dial
    assert isinstance(ws, _Client)
    tune(ws.transport.get_extra_info("socket"))
    return _WebSocket(ws, target)


@asynccontextmanager
async def listen(
    address: WebSocketAddress,
    bound: Sequence[socket.socket],
    settings: Mapping[str, Any],
    door: Door | None,
    refused: Callable[[str], None],
    front: Front,
) -> AsyncIterator[WebSocketListener]:
    listener = WebSocketListener()
    listener.addresses = tuple(address.at(one.getsockname()) for one in bound)
    tracked: WeakSet[ServerConnection] = WeakSet()
    made = _Server if door is None else _guarded(door)

    class Tracked(counting(made, refused)):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            tracked.add(self)

    async def handle(ws: ServerConnection) -> None:
        assert isinstance(ws, _Server)
        own = ws.transport.get_extra_info("socket")
        tune(own)
        remote = front.remote(ws.remote_address, ws.request)
        proved = None if door is None else door.admit(own.fileno(), remote)
        connection = _WebSocket(ws, remote, proved)
        await listener.hold(connection, ws.wait_closed)

    tls = {key: value for key, value in settings.items() if key == "ssl"}
    if tls["ssl"] is not None:
        tls["ssl_handshake_timeout"] = settings["open_timeout"]
        tls["ssl_shutdown_timeout"] = CLOSE_TIMEOUT
    server = serve(handle, create_connection=Tracked, write_limit=WRITE_LIMIT, **settings)
    factory = partial(_protocol, Tracked, server, settings)
    places = Places(lambda *_: None) if door is None else door.places
    accepting = HeldServer(factory, bound, places, **tls)
    server.server = cast("asyncio.Server", accepting)  # it has what the library needs
    accepting.start()
    try:
        yield listener
    finally:
        with anyio.CancelScope(shield=True):
            server.close(close_connections=False)
            await listener.close()
            for ws in tuple(tracked):
                ws.transport.abort()
            with anyio.move_on_after(CLOSE_TIMEOUT):
                await server.wait_closed()


def _protocol(
    made: type[ServerConnection], server: Server, settings: Mapping[str, Any]
) -> ServerConnection:
    """Return the protocol of a connection that was accepted, as the library makes it."""
    protocol = ServerProtocol(max_size=settings["max_size"], logger=settings["logger"])
    kept = ("ping_interval", "ping_timeout", "close_timeout", "max_queue")
    more = {key: settings[key] for key in kept}
    return made(protocol, server, write_limit=WRITE_LIMIT, **more)


def _guarded(door: Door) -> type[_Server]:
    """Return the class of connections that come in by a door."""
    buffer = bytearray(READ)  # one for all: they are read one after the other

    class Server(_Server):
        _ended = False

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.guard(transport, buffer)
            place = _place(self, door)
            if place is not None:
                place.cut = self._cut

        def _cut(self) -> None:
            self._ended = True
            self.transport.abort()

        def eof_received(self) -> None:
            self._ended = True
            super().eof_received()

        def connection_lost(self, exc: Exception | None) -> None:
            self.tell_unopened(door, host_port(self.remote_address), ended=self._ended)
            super().connection_lost(exc)

    return Server


def _place(ws: _Server, door: Door) -> Places.Taken | None:
    return door.places.find(ws.transport.get_extra_info("socket").fileno())
