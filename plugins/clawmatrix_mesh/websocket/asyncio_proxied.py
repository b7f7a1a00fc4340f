"""WebSocket connections under asyncio that a proxy connects.

The library's client imports what speaks SOCKS, 2 MB, so only a node with a proxy imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.uri import parse_uri

from clawmatrix_mesh.websocket.asyncio_connection import OwnConnection
from clawmatrix_mesh.websocket.connection import WRITE_LIMIT
from clawmatrix_mesh.websocket.strangers import READ

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from clawmatrix_mesh.websocket.way import Way

__all__ = ["open_through_proxy"]


class _Client(OwnConnection, ClientConnection):
    def connection_lost(self, exc: Exception | None) -> None:
        # TLS that fails behind a proxy loses a connection that the library has not made yet.
        if hasattr(self, "recv_messages"):
            super().connection_lost(exc)


class _GuardedClient(_Client):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.guard(transport, bytearray(READ))


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


async def open_through_proxy(
    address: str, way: Way, settings: Mapping[str, Any], *, guarded: bool
) -> OwnConnection:
    """Return the connection once its handshake is done. Raises: as the library does."""
    made = _GuardedClient if guarded else _Client
    dial = _Dial(address, create_connection=made, write_limit=WRITE_LIMIT, **settings)
    dial.through = way.through
    ws = await dial
    assert isinstance(ws, _Client)
    return ws
