"""The ``ws`` and ``wss`` transport, on the websockets library, under asyncio and trio.

The library keeps the state of a connection and its queues. Here are its settings, all of
them chosen, and what its errors mean to ClawMatrix. Heartbeats are the links' own.
"""

from __future__ import annotations

import errno
import logging
import socket
import ssl
import sys
from collections import deque
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit
from weakref import WeakSet

import anyio
import attrs
from anyio.lowlevel import checkpoint
from websockets.asyncio.client import connect as asyncio_connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import (
    ConcurrencyError,
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidStatus,
    ProxyError,
    WebSocketException,
)

from clawmatrix_core.errors import ConnectionLost, DialError
from clawmatrix_core.frames import MESSAGE_LIMIT
from clawmatrix_core.memory import Bell
from clawmatrix_core.transport import Connection, Listener, Transport

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    import trio
    from websockets.asyncio.connection import Connection as AsyncioSocket
    from websockets.http11 import Request, Response
    from websockets.trio.client import connect as TrioConnect
    from websockets.trio.connection import Connection as TrioSocket

__all__ = ["WebSocketTransport"]

OPEN_TIMEOUT = 10.0
"""Seconds a whole opening handshake may take, on either side."""
CLOSE_TIMEOUT = 1.0
"""Seconds the other end has for the closing handshake."""
BACKLOG = 128
"""Connections that wait to be accepted; more are sent away."""
PATHS = ("/", "/clawmatrix")

GOING_AWAY = 1001
UNSUPPORTED = 1003
TRY_AGAIN = 1013

_NOT_SENT = 128 * 1024
"""Bytes the kernel may hold unsent: more would undo the lanes of a link."""
_REASON_LIMIT = 123
_WRONG_NAME = (62, 64)
"""OpenSSL's codes for a certificate that is for another host or address."""

_log = logging.getLogger(__name__)

T = TypeVar("T")


class _Quiet(logging.LoggerAdapter[logging.Logger]):
    """What the library logs, as debug lines without tracebacks, and never message by message."""

    def isEnabledFor(self, level: int) -> bool:
        return level > logging.DEBUG and self.logger.isEnabledFor(logging.DEBUG)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if self.isEnabledFor(level):
            error = sys.exc_info()[1] if kwargs.get("exc_info") else None
            self.logger.debug(f"{msg} {error!r}" if error else msg, *args)  # noqa: G004


_SETTINGS: dict[str, Any] = {
    "compression": None,
    "ping_interval": None,
    "ping_timeout": None,
    "close_timeout": CLOSE_TIMEOUT,
    "max_size": MESSAGE_LIMIT,
    "max_queue": (64, 16),
    "logger": _Quiet(_log, {}),
}
_ASYNCIO: dict[str, Any] = {"write_limit": 64 * 1024}


class _Socket(Protocol):
    """What the library's connections have in common under asyncio and trio."""

    async def recv(self) -> str | bytes: ...

    async def send(self, message: bytes) -> None: ...


class _WebSocket(Connection):
    """A connection of the library, its errors translated."""

    def __init__(
        self,
        ws: _Socket,
        remote: str,
        *,
        close: Callable[[int, str], Awaitable[None]],
        abort: Callable[[], None],
    ) -> None:
        self.remote = remote
        self._recv = ws.recv
        self._send = ws.send
        self._close = close
        self._abort = abort
        self._closed: ConnectionLost | None = None

    def __repr__(self) -> str:
        return f"<WebSocket to {self.remote} {'closed' if self._closed else 'open'}>"

    async def send(self, message: bytes) -> None:
        try:
            await self._send(message)
        except ConnectionClosed as error:
            raise self._lost(error) from None

    async def receive(self) -> bytes:
        if self._closed is not None:
            await checkpoint()
            raise _closed(self._closed.code, str(self._closed))
        try:
            message = await self._recv()
        except ConnectionClosed as error:
            raise self._lost(error) from None
        if isinstance(message, bytes):
            return message
        reason = "text messages are not taken"
        await self.close(UNSUPPORTED, reason)
        raise ConnectionLost(reason, code=UNSUPPORTED)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self._closed is None:
            self._closed = _closed(code, reason)
        try:
            # The library's own limit starts when the close frame has been written.
            with anyio.move_on_after(CLOSE_TIMEOUT * 1.5):
                await self._close(code, _fit(reason))
        finally:
            self._abort()

    def _lost(self, error: ConnectionClosed) -> ConnectionLost:
        if self._closed is not None:
            return _closed(self._closed.code, str(self._closed))
        close = error.rcvd or error.sent
        if close is not None:
            return _closed(close.code, close.reason)
        return ConnectionLost(f"connection lost: {error.__cause__ or 'no close was received'}")


class _TrioWebSocket(_WebSocket):
    """Under trio a cancelled ``send`` may have written half a message: that ends it."""

    async def send(self, message: bytes) -> None:
        try:
            await self._send(message)
        except ConnectionClosed as error:
            raise self._lost(error) from None
        except BaseException:
            self._abort()
            raise
