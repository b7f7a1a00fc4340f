"""WebSocket connections under trio. Importing this imports trio."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio
from websockets.exceptions import ConcurrencyError, ConnectionClosed
from websockets.protocol import State
from websockets.trio.client import ClientConnection, connect
from websockets.trio.connection import Connection
from websockets.trio.server import Server, ServerConnection, serve
from websockets.uri import parse_uri

from clawmatrix_mesh.websocket.address import host_port
from clawmatrix_mesh.websocket.connection import (
    WebSocket,
    WebSocketListener,
    counting,
    tune,
)
from clawmatrix_mesh.websocket.strangers import Stranger, Watched
from clawmatrix_mesh.websocket.trio_buffered import Buffered
from clawmatrix_mesh.websocket.trio_places import HeldListener, HeldStream

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from websockets.protocol import Protocol

    from clawmatrix_mesh.websocket.address import WebSocketAddress
    from clawmatrix_mesh.websocket.front import Front
    from clawmatrix_mesh.websocket.strangers import Door
    from clawmatrix_mesh.websocket.way import Way

__all__ = ["dial", "listen"]

_log = logging.getLogger(__name__)

T = TypeVar("T")


class _Connection(Watched, Connection):
    """What both ends have beside the library."""

    def __init__(
        self,
        nursery: trio.Nursery,
        stream: trio.abc.Stream,
        protocol: Protocol,
        *args: Any,
        **more: Any,
    ) -> None:
        self.buffered = Buffered(stream, protocol)
        super().__init__(nursery, self.buffered, protocol, *args, **more)
        nursery.start_soon(self.buffered.write_out)

    def guard(self) -> None:
        """Read as much as a stranger may send, until ``allow`` says otherwise."""
        self.stranger = self.buffered.stranger = Stranger()
        self.buffered.refuse = self.refuse

    def allow(self, size: int | None) -> None:
        self.buffered.allow(size)
        self.stranger = self.buffered.stranger

    def fail(self, code: int, reason: str) -> None:
        """Close the connection, telling the other end where that is possible."""
        self.buffered.cut()
        if self.protocol.state is State.OPEN:
            self.protocol.fail(code, reason)
            for data in filter(None, self.protocol.data_to_send()):
                self.buffered.push(data)


class _Client(_Connection, ClientConnection):
    pass


class _GuardedClient(_Client):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.guard()


class _Server(_Connection, ServerConnection):
    pass


def _guarded(door: Door) -> type[_Server]:
    """Return the class of connections that come in by a door."""

    class Server(_Server):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self.guard()
            stream = self.buffered.inner
            held = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
            assert isinstance(held, HeldStream), "a listener with a door gives no other"
            held.shaking = False

        async def recv_events(self) -> None:
            remote = host_port(_socket_of(self).getpeername())
            try:
                await super().recv_events()
            finally:
                self.tell_unopened(door, remote, ended=self.buffered.ended)

    return Server


class _WebSocket(WebSocket):
    """A connection that waits for room before it sends, and then sends whole."""

    def __init__(
        self,
        ws: _Client | _Server,
        remote: str,
        scope: trio.CancelScope,
        proved: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(ws, remote, close=ws.aclose, abort=scope.cancel, proved=proved)
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
    address: str,
    target: str,
    way: Way,
    settings: Mapping[str, Any],
    *,
    guarded: bool,
) -> WebSocket:
    stream = None if way.sock is None else _stream_of(way.sock)
    made = _GuardedClient if guarded else _Client
    dial = _Dial(address, create_connection=made, stream=stream, **settings)
    dial.through = way.through

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
    door: Door | None,
    refused: Callable[[str], None],
    front: Front,
) -> AsyncIterator[WebSocketListener]:
    listener = WebSocketListener()
    listener.addresses = tuple(address.at(one.getsockname()) for one in bound)
    made = counting(_Server if door is None else _guarded(door), refused)

    async def handle(ws: ServerConnection) -> None:
        assert isinstance(ws, _Server)
        own = _socket_of(ws)
        tune(own)
        scope = trio.CancelScope()
        remote = front.remote(own.getpeername(), ws.request)
        proved = None if door is None else door.admit(own.fileno(), remote)
        connection = _WebSocket(ws, remote, scope, proved)
        await listener.hold(connection, partial(_tend, ws, scope))

    async def run(publish: Callable[[Server], None]) -> None:
        tls = settings.get("ssl") is not None
        listeners = [_listener(one, door, tls=tls) for one in bound]
        start = partial(serve, handle, listeners=listeners, create_connection=made, **settings)
        async with trio.open_nursery() as nursery:
            publish(await nursery.start(start))

    _, end = await _apart(run)
    try:
        yield listener
    finally:
        with trio.CancelScope(shield=True):
            await listener.close()
            await end()


def _stream_of(sock: socket.socket) -> trio.SocketStream:
    return trio.SocketStream(trio.socket.from_stdlib_socket(sock))


def _listener(
    bound: socket.socket, door: Door | None, *, tls: bool
) -> Any:  # the library names its own type
    if door is None:
        return trio.SocketListener(trio.socket.from_stdlib_socket(bound))
    return HeldListener(bound, door.places, tls=tls)


def _socket_of(ws: _Client | _Server) -> trio.socket.SocketType:
    stream = ws.buffered.inner
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    if isinstance(stream, HeldStream):
        stream = stream.inner
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
