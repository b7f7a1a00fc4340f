"""WebSocket connections under asyncio over a socket that is connected."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from websockets.client import ClientProtocol
from websockets.http11 import Response
from websockets.uri import parse_uri

from clawmatrix_mesh.websocket.asyncio_connection import SETTINGS, OwnConnection
from clawmatrix_mesh.websocket.connection import WRITE_LIMIT
from clawmatrix_mesh.websocket.strangers import READ

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

__all__ = ["open_over"]


class _Client(OwnConnection):
    protocol: ClientProtocol

    def __init__(self, protocol: ClientProtocol, **settings: Any) -> None:
        super().__init__(protocol, **settings)
        self._answered = asyncio.Event()

    async def handshake(self) -> None:
        """Ask for a WebSocket, and wait for the answer. Raises: as the library does."""
        self.request = self.protocol.connect()
        self.protocol.send_request(self.request)
        self.send_data()
        await self._answered.wait()
        if self.protocol.handshake_exc is not None:
            raise self.protocol.handshake_exc

    def process_event(self, event: Any) -> None:
        if isinstance(event, Response):
            self.response = event
            self._answered.set()
        else:
            super().process_event(event)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._answered.set()


class _GuardedClient(_Client):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.guard(transport, bytearray(READ))


async def open_over(
    sock: socket.socket, address: str, settings: Mapping[str, Any], *, guarded: bool
) -> OwnConnection:
    """Return the connection once its handshake is done. Raises: as the library does."""
    uri = parse_uri(address)
    tls = {key: value for key, value in settings.items() if key.startswith("ssl")}
    if uri.secure:
        tls["server_hostname"] = settings.get("server_hostname", uri.host)
    protocol = ClientProtocol(uri, max_size=settings["max_size"], logger=settings["logger"])
    more = {key: settings[key] for key in SETTINGS}
    made = partial(
        _GuardedClient if guarded else _Client, protocol, write_limit=WRITE_LIMIT, **more
    )
    _, ws = await asyncio.get_running_loop().create_connection(made, sock=sock, **tls)
    try:
        await ws.handshake()
    except BaseException:
        ws.transport.abort()
        raise
    return ws
