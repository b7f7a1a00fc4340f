"""WebSocket connections under asyncio."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

import anyio
import anyio.to_thread
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.server import ServerProtocol

from clawmatrix_core.spi import HeldServer, Places
from clawmatrix_mesh.websocket.address import host_port
from clawmatrix_mesh.websocket.asyncio_client import open_over
from clawmatrix_mesh.websocket.asyncio_connection import SETTINGS, OwnConnection, QuickWebSocket
from clawmatrix_mesh.websocket.connection import (
    CLOSE_TIMEOUT,
    WRITE_LIMIT,
    WebSocketListener,
    counting,
    tune,
)
from clawmatrix_mesh.websocket.strangers import READ

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from clawmatrix_mesh.websocket.address import WebSocketAddress
    from clawmatrix_mesh.websocket.connection import WebSocket
    from clawmatrix_mesh.websocket.front import Front
    from clawmatrix_mesh.websocket.strangers import Door
    from clawmatrix_mesh.websocket.way import Way

__all__ = ["dial", "listen"]


class _Server(OwnConnection, ServerConnection):
    pass


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
    if way.sock is None:
        through_proxy = await anyio.to_thread.run_sync(_opener_through_proxies)
        ws = await through_proxy(address, way, settings, guarded=guarded)
    else:
        ws = await open_over(way.sock, address, settings, guarded=guarded)
    tune(ws.transport.get_extra_info("socket"))
    return QuickWebSocket(ws, target)


def _opener_through_proxies() -> Callable[..., Awaitable[OwnConnection]]:
    from clawmatrix_mesh.websocket.asyncio_proxied import open_through_proxy  # see there

    return open_through_proxy


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
        connection = QuickWebSocket(ws, remote, proved)
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
    more = {key: settings[key] for key in SETTINGS}
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
