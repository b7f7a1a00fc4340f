"""WebSocket connections under asyncio."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from clawmatrix_mesh.websocket.address import host_port
from clawmatrix_mesh.websocket.connection import (
    CLOSE_TIMEOUT,
    HELD_LIMIT,
    NO_REQUEST,
    WRITE_LIMIT,
    WebSocket,
    WebSocketListener,
    tune,
)
from clawmatrix_mesh.websocket.way import ProxyWay

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from websockets.asyncio.connection import Connection

    from clawmatrix_mesh.websocket.address import WebSocketAddress

__all__ = ["dial", "listen"]


class _Client(ClientConnection):
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        _look_after(self)

    def connection_lost(self, exc: Exception | None) -> None:
        # TLS that fails behind a proxy loses a connection that the library has not made yet.
        if hasattr(self, "recv_messages"):
            super().connection_lost(exc)


class _Server(ServerConnection):
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        _look_after(self)


def _look_after(ws: Connection) -> None:
    """Cut off a peer that the library would let fill memory, or keep a closed connection."""
    if ws.transport.get_write_buffer_size() > HELD_LIMIT:
        # Answers to pings wait for nobody, so a peer that pings and does not read could.
        ws.transport.abort()
    elif ws.state is State.CLOSING:
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

    def __init__(self, ws: Connection, remote: str) -> None:
        super().__init__(ws, remote, close=ws.close, abort=ws.transport.abort)
        self._ws = ws

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
        if self._closing is None:
            messages = self._ws.recv_messages
            frames = messages.frames.queue
            if frames and frames[0].fin and frames[0].opcode is Opcode.BINARY:
                data = frames.popleft().data
                messages.maybe_resume()
                return bytes(data)
        return await super().receive()


def _connection(ws: Connection, remote: str) -> WebSocket:
    tune(ws.transport.get_extra_info("socket"))
    return _WebSocket(ws, remote)


async def dial(
    address: str, target: str, way: socket.socket | ProxyWay, settings: Mapping[str, Any]
) -> WebSocket:
    if "ssl" in settings:
        settings = {**settings, "ssl_shutdown_timeout": CLOSE_TIMEOUT}
    more = way.settings() if isinstance(way, ProxyWay) else {"sock": way, "proxy": None}
    dial = _Dial(address, create_connection=_Client, write_limit=WRITE_LIMIT, **settings, **more)
    dial.through = way.through if isinstance(way, ProxyWay) else None
    return _connection(await dial, target)


@asynccontextmanager
async def listen(
    address: WebSocketAddress,
    bound: Sequence[socket.socket],
    settings: Mapping[str, Any],
    refused: Callable[[str], None],
) -> AsyncIterator[WebSocketListener]:
    listener = WebSocketListener()
    tracked: WeakSet[ServerConnection] = WeakSet()

    class Tracked(_Server):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            tracked.add(self)

        async def handshake(self, *args: Any, **kwargs: Any) -> None:
            try:
                await super().handshake(*args, **kwargs)
            finally:
                if self.request is None:
                    refused(NO_REQUEST)

    async def handle(ws: ServerConnection) -> None:
        connection = _connection(ws, host_port(ws.remote_address))
        await listener.hold(connection, ws.wait_closed)

    more = {"create_connection": Tracked, "write_limit": WRITE_LIMIT, **settings}
    servers = [await serve(handle, sock=one, **more) for one in bound]
    listener.addresses = tuple(address.at(one.getsockname()) for one in bound)
    try:
        yield listener
    finally:
        with anyio.CancelScope(shield=True):
            for server in servers:
                server.close(close_connections=False)
            await listener.close()
            for ws in tuple(tracked):
                ws.transport.abort()
            with anyio.move_on_after(CLOSE_TIMEOUT):
                for server in servers:
                    await server.wait_closed()
