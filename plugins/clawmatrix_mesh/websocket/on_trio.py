"""WebSocket connections under trio. Importing this imports trio."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio
from websockets.exceptions import ConcurrencyError, ConnectionClosed
from websockets.protocol import Protocol, State
from websockets.trio.client import ClientConnection, connect
from websockets.trio.server import Server, ServerConnection, serve
from websockets.uri import parse_uri

from clawmatrix_core.spi import Bell
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
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from websockets.client import ClientProtocol
    from websockets.server import ServerProtocol

    from clawmatrix_mesh.websocket.address import WebSocketAddress

__all__ = ["dial", "listen"]

_log = logging.getLogger(__name__)

T = TypeVar("T")


class _Buffered(trio.abc.HalfCloseableStream):
    """A stream that takes what is sent at once and writes it in a task of its own.

    While the library writes it holds a lock that its reading task needs as well, so two
    ends that both wait for the other to read would wait for ever. With this it never
    waits there; ``room`` is where a sender does.
    """

    def __init__(self, inner: trio.abc.Stream, protocol: Protocol) -> None:
        self.inner = inner
        self._protocol = protocol
        self._close_by: float | None = None
        self._queue: list[bytes] = []
        self._held = 0
        self._ending = False
        self._gone = False
        self._news = Bell()
        self._room = Bell()

    async def room(self) -> None:
        """Wait until less is held than the limit, or the stream is gone."""
        await trio.lowlevel.checkpoint()
        while self._held >= WRITE_LIMIT and not self._gone:
            await self._room.wait()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._gone or self._held > HELD_LIMIT:
            raise trio.BrokenResourceError
        self._queue.append(bytes(data))
        self._held += len(data)
        self._news.ring()

    async def wait_send_all_might_not_block(self) -> None:
        await self.room()

    async def send_eof(self) -> None:
        self._ending = True
        self._news.ring()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._protocol.state is not State.CLOSING:
            return await self.inner.receive_some(max_bytes)
        # The library waits here for the other end to close, however long that takes.
        if self._close_by is None:
            self._close_by = trio.current_time() + CLOSE_TIMEOUT
        with trio.move_on_at(self._close_by):
            return await self.inner.receive_some(max_bytes)
        return b""

    async def aclose(self) -> None:
        self._leave()
        await self.inner.aclose()

    async def write_out(self) -> None:
        """Write until the end, or until the stream is closed or breaks."""
        try:
            while not self._gone:
                if self._queue:
                    data = b"".join(self._queue)
                    self._queue.clear()
                    await self.inner.send_all(data)
                    self._held -= len(data)
                    self._room.ring()
                elif self._ending:
                    await self._end()
                    return
                else:
                    await self._news.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._leave()

    async def _end(self) -> None:
        if isinstance(self.inner, trio.abc.HalfCloseableStream):
            await self.inner.send_eof()
        else:
            await self.aclose()

    def _leave(self) -> None:
        self._gone = True
        self._queue.clear()
        self._news.ring()
        self._room.ring()


class _Client(ClientConnection):
    def __init__(
        self, nursery: trio.Nursery, stream: trio.abc.Stream, protocol: ClientProtocol, **more: Any
    ) -> None:
        self.buffered = _Buffered(stream, protocol)
        super().__init__(nursery, self.buffered, protocol, **more)
        nursery.start_soon(self.buffered.write_out)


class _Server(ServerConnection):
    def __init__(
        self,
        nursery: trio.Nursery,
        stream: trio.abc.Stream,
        protocol: ServerProtocol,
        server: Server,
        **more: Any,
    ) -> None:
        self.buffered = _Buffered(stream, protocol)
        super().__init__(nursery, self.buffered, protocol, server, **more)
        nursery.start_soon(self.buffered.write_out)


class _WebSocket(WebSocket):
    """A connection that waits for room before it sends, and then sends whole."""

    def __init__(self, ws: _Client | _Server, remote: str, scope: trio.CancelScope) -> None:
        super().__init__(ws, remote, close=ws.aclose, abort=scope.cancel)
        self._room = ws.buffered.room

    async def send(self, message: bytes) -> None:
        await self._room()
        with trio.CancelScope(shield=True):
            await super().send(message)


class _Dial(connect):
    """Dials the address that it was given, and follows no redirect.

    Attributes:
        through: the address that a proxy is told, where that is another one.
    """

    through: str | None = None

    async def open_tcp_stream(self) -> trio.abc.Stream:
        if self.through is None:
            return await super().open_tcp_stream()
        named, self.ws_uri = self.ws_uri, parse_uri(self.through)
        try:
            return await super().open_tcp_stream()
        finally:
            self.ws_uri = named

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def dial(
    address: str, target: str, way: socket.socket | ProxyWay, settings: Mapping[str, Any]
) -> WebSocket:
    if isinstance(way, ProxyWay):
        more = way.settings()
    else:
        more = {"stream": trio.SocketStream(trio.socket.from_stdlib_socket(way)), "proxy": None}
    dial = _Dial(address, create_connection=_Client, **settings, **more)
    dial.through = way.through if isinstance(way, ProxyWay) else None

    async def run(publish: Callable[[WebSocket], None]) -> None:
        async with dial as ws:
            assert isinstance(ws, _Client)
            tune(_socket_of(ws))
            scope = trio.CancelScope()
            publish(_WebSocket(ws, target, scope))
            await _tend(ws, scope)

    try:
        connection, _ = await _apart(run)
    except trio.BrokenResourceError as error:
        raise OSError("the connection broke off") from error
    return connection


@asynccontextmanager
async def listen(
    address: WebSocketAddress,
    bound: Sequence[socket.socket],
    settings: Mapping[str, Any],
    refused: Callable[[str], None],
) -> AsyncIterator[WebSocketListener]:
    listener = WebSocketListener()

    class Counted(_Server):
        async def handshake(self, *args: Any, **kwargs: Any) -> None:
            try:
                await super().handshake(*args, **kwargs)
            finally:
                if self.request is None:
                    refused(NO_REQUEST)

    async def handle(ws: ServerConnection) -> None:
        assert isinstance(ws, _Server)
        own = _socket_of(ws)
        tune(own)
        scope = trio.CancelScope()
        connection = _WebSocket(ws, host_port(own.getpeername()), scope)
        await listener.hold(connection, partial(_tend, ws, scope))

    async def run(publish: Callable[[Server], None]) -> None:
        listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(one)) for one in bound]
        start = partial(serve, handle, listeners=listeners, create_connection=Counted, **settings)
        async with trio.open_nursery() as nursery:
            publish(await nursery.start(start))

    listener.addresses = tuple(address.at(one.getsockname()) for one in bound)
    _, end = await _apart(run)
    try:
        yield listener
    finally:
        with trio.CancelScope(shield=True):
            await listener.close()
            await end()


def _socket_of(ws: _Client | _Server) -> trio.socket.SocketType:
    stream = ws.buffered.inner
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    assert isinstance(stream, trio.SocketStream), "the library opened something else than TCP"
    return stream.socket


async def _tend(ws: _Client | _Server, scope: trio.CancelScope) -> None:
    """Return once the connection is closed; close it by force when the scope is cancelled."""
    with scope:
        await ws.wait_closed()
    if scope.cancelled_caught:
        await trio.aclose_forcefully(ws.stream)
        # The library's reading task may be held up by its full queue: read that empty.
        with suppress(ConnectionClosed, ConcurrencyError):
            while True:
                await ws.recv()


async def _apart(
    run: Callable[[Callable[[T], None]], Awaitable[None]],
) -> tuple[T, Callable[[], Awaitable[None]]]:
    """Run a task outside the caller's; return what it publishes, and what ends it.

    Connections outlive the call that makes them, and under trio each has a task.
    """
    scope, ready, done = trio.CancelScope(), trio.Event(), trio.Event()
    values: list[T] = []
    errors: list[Exception] = []

    def publish(value: T) -> None:
        values.append(value)
        ready.set()

    async def task() -> None:
        try:
            with scope:
                await run(publish)
        except Exception as error:  # noqa: BLE001 - the caller raises it; trio must not crash
            errors.append(error)
            if values:
                _log.warning("a connection's task failed: %r", error)
        finally:
            ready.set()
            done.set()

    async def end() -> None:
        scope.cancel()
        await done.wait()

    trio.lowlevel.spawn_system_task(task)
    try:
        await ready.wait()
    except BaseException:
        with trio.CancelScope(shield=True):
            await end()
        raise
    if not values:
        raise errors[0]
    return values[0], end
