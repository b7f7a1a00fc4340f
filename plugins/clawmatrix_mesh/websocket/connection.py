"""A WebSocket connection and a listener, as far as they are the same on both event loops."""

from __future__ import annotations

import errno
import socket
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from anyio.lowlevel import checkpoint
from websockets.exceptions import ConnectionClosed

from clawmatrix_core import Bound, Connection, ConnectionLost, Listener
from clawmatrix_core.spi import Bell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from websockets import protocol

    from clawmatrix_core.spi import TcpAddress
    from clawmatrix_mesh.websocket.strangers import Stranger

__all__ = [
    "CLOSE_TIMEOUT",
    "HELD_LIMIT",
    "WRITE_LIMIT",
    "WebSocket",
    "WebSocketListener",
    "bind",
    "counting",
    "tune",
]

NO_REQUEST = "ws_no_request"
"""The reason that is counted for a connection which sends no request of HTTP."""
CLOSE_TIMEOUT = 1.0
"""Seconds the other end has for the closing handshake."""
WRITE_LIMIT = 64 * 1024
"""Bytes held unsent in the process before ``send`` waits."""
HELD_LIMIT = Bound(
    4 * 1024 * 1024,
    "bytes held unsent of one WebSocket, answers to pings included",
    fed_by="a member",
    when_full="the connection is cut off",
)
BACKLOG = Bound(
    128,
    "connections that wait to be accepted",
    fed_by="a stranger",
    when_full="another one is sent away",
)

_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_GOING_AWAY = 1001
_UNSUPPORTED = 1003
_TRY_AGAIN = 1013

_NOT_SENT = 128 * 1024
"""Bytes the kernel may hold unsent: more would undo the lanes of a link."""
_REASON_LIMIT = 123


class _Socket(Protocol):
    """The library's connections, as far as they are alike under asyncio and trio."""

    @property
    def protocol(self) -> protocol.Protocol: ...

    async def recv(self) -> str | bytes: ...

    async def send(self, message: bytes) -> None: ...

    @property
    def stranger(self) -> Stranger | None: ...

    def allow(self, size: int | None) -> None: ...

    def refuse(self) -> None: ...


class WebSocket(Connection):
    """A connection of the library, its errors translated."""

    def __init__(
        self,
        ws: _Socket,
        remote: str,
        *,
        close: Callable[[int, str], Awaitable[None]],
        abort: Callable[[], None],
        proved: Callable[[], None] | None = None,
    ) -> None:
        self.remote = remote
        self._ws = ws
        self._protocol = ws.protocol
        self._recv = ws.recv
        self._send = ws.send
        self._close = close
        self._abort = abort
        self._proved = proved
        self._closing: ConnectionLost | None = None

    def __repr__(self) -> str:
        return f"<WebSocket to {self.remote} {'closing' if self._closing else 'open'}>"

    @property
    def stranger(self) -> Stranger | None:
        """Counts what the other end sends, None once it has proved itself."""
        return self._ws.stranger

    async def send(self, message: bytes) -> None:
        try:
            await self._send(message)
        except ConnectionClosed as error:
            raise self._lost(error) from None

    async def receive(self) -> bytes:
        if self._closing is not None:
            await checkpoint()
            raise _again(self._closing)
        stranger = self._ws.stranger
        if stranger is not None and stranger.stuck:
            self._ws.refuse()
        try:
            message = await self._recv()
        except ConnectionClosed as error:
            raise self._lost(error) from None
        if stranger is not None:
            stranger.take()
        if isinstance(message, bytes):
            return message
        reason = "text messages are not taken"
        await self.close(_UNSUPPORTED, reason)
        raise ConnectionLost(reason, code=_UNSUPPORTED)

    def limit(self, size: int) -> None:
        self._protocol.max_message_size = size

    def allow(self, size: int | None) -> None:
        self._ws.allow(size)
        if size is None and self._proved is not None:
            self._proved()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self._closing is None:
            self._closing = ConnectionLost.closed(code, reason)
        try:
            # The library's own limit starts when the close frame has been written.
            with anyio.move_on_after(CLOSE_TIMEOUT * 1.5):
                await self._close(code, _fit(reason))
        finally:
            self._abort()

    def _lost(self, error: ConnectionClosed) -> ConnectionLost:
        if self._closing is not None:
            return _again(self._closing)
        close = error.rcvd or error.sent
        if close is not None:
            # The reason is the other end's text, and goes to logs and terminals.
            return ConnectionLost.closed(close.code, "".join(filter(str.isprintable, close.reason)))
        return ConnectionLost(f"connection lost: {error.__cause__ or 'no close was received'}")


class WebSocketListener(Listener):
    """The connections that came in and opened; the backends below run the server."""

    def __init__(self) -> None:
        self.addresses = ()
        self._waiting: deque[WebSocket] = deque()
        self._open: set[WebSocket] = set()
        self._arrival = Bell()
        self._closing = False

    async def accept(self) -> Connection:
        await checkpoint()
        while not self._waiting:
            await self._arrival.wait()
        return self._waiting.popleft()

    async def hold(self, connection: WebSocket, closed: Callable[[], Awaitable[None]]) -> None:
        """Offer a connection to ``accept``, and return once it is closed."""
        if self._closing or len(self._waiting) >= BACKLOG:
            await connection.close(_TRY_AGAIN, "too many connections")
            return
        self._open.add(connection)
        self._waiting.append(connection)
        self._arrival.ring()
        try:
            await closed()
        finally:
            self._open.discard(connection)

    async def close(self) -> None:
        """Close what is open and take in nothing more."""
        self._closing = True
        async with anyio.create_task_group() as tasks:
            for connection in self._open:
                tasks.start_soon(connection.close, _GOING_AWAY, "the listener closed")


def bind(addresses: Sequence[TcpAddress]) -> list[socket.socket]:
    """Return a listening socket for each address. Raises: OSError.

    Where any free port is asked for, all have the one that the first one got. An address of
    IPv6 is left out on a machine without IPv6, if there is another.
    """
    bound: list[socket.socket] = []
    try:
        for address in addresses:
            try:
                bound.append(_bind(address, bound[0].getsockname()[1] if bound else 0))
            except OSError as error:
                if error.errno not in _NO_IPV6 or not bound:
                    raise
    except OSError:
        for sock in bound:
            sock.close()
        raise
    return bound


def _bind(address: TcpAddress, otherwise: int) -> socket.socket:
    """Return a listening socket; ``otherwise`` is the port where the address names none."""
    host, port, *more = address.name
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port or otherwise, *more))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def counting(made: type[Any], refused: Callable[[str], None]) -> type[Any]:
    """Return a class of the library's server connections that tells of those without a request."""

    class Counting(made):  # type: ignore[misc]
        async def handshake(self, *args: Any, **kwargs: Any) -> None:
            try:
                await super().handshake(*args, **kwargs)
            finally:
                if self.request is None:
                    refused(NO_REQUEST)

    return Counting


def tune(sock: Any) -> None:
    """Send small messages at once, and keep little unsent in the kernel."""
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        limit = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        if limit is not None:
            sock.setsockopt(socket.IPPROTO_TCP, limit, _NOT_SENT)


def _fit(reason: str) -> str:
    """Cut a reason to what a close frame takes."""
    return reason.encode()[:_REASON_LIMIT].decode(errors="ignore")


def _again(lost: ConnectionLost) -> ConnectionLost:
    return ConnectionLost(str(lost), code=lost.code)
