"""A connection of whole messages over a connected stream socket, on any event loop."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from clawmatrix_core.base.errors import ConnectionLost
from clawmatrix_core.wire.sockets.framing import (
    Closed,
    Incoming,
    UnreadableError,
    close_frame,
    message_frame,
)
from clawmatrix_core.wire.transport import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SocketConnection", "close_socket"]

CLOSE_TIME = 1.0
"""Seconds in which a close has to reach the other end, and the other end has to answer it."""

_CHUNK = 64 * 1024
_FAILED = (OSError, ValueError, anyio.ClosedResourceError)
"""What an operation raises on a socket that is broken, closed, or closed while it waits."""


class SocketConnection(Connection):
    """Carries messages over a connected stream socket: TCP, a Unix socket, one of a pair.

    Both ends have to be of this class. It does all that a connection has to do, so that a
    transport only connects and binds. One task sends and one receives, at the same time.
    """

    def __init__(
        self,
        sock: socket.socket,
        remote: str,
        *,
        when_closed: Callable[[SocketConnection], object] | None = None,
    ) -> None:
        """Take over a socket: it is closed with the connection, and not to be used elsewhere.

        Args:
            sock: a connected socket of type SOCK_STREAM, without TLS.
            remote: the other end's address, see ``Connection.remote``.
            when_closed: called once, when the socket has been closed at this end.
        """
        self.remote = remote
        self._sock = _prepared(sock)
        self._when_closed = when_closed
        self._incoming, self._unsent = Incoming(), bytearray()
        self._sending, self._receiving = anyio.Lock(), anyio.Lock()
        self._lost: tuple[int | None, str] | None = None
        self._told = False  # the other end has closed, or has vanished
        self._closing = False

    def __repr__(self) -> str:
        return f"<SocketConnection to {self.remote} {'lost' if self._lost else 'open'}>"

    async def send(self, message: bytes) -> None:
        """See Connection. Where it is cancelled, the rest goes out before the next message."""
        async with self._sending:
            with suppress(*_FAILED):
                await self._flush()
                if self._lost is None:
                    self._unsent += message_frame(message)
                    await self._flush()
                    return
        raise self._gone()  # not lost for ``receive``: a close code may still be there to be read

    async def receive(self) -> bytes:
        """See Connection."""
        await checkpoint()
        async with self._receiving:
            while self._lost is None:
                if (message := self._take()) is not None:
                    return message
                if self._lost is None:
                    self._incoming.feed(await self._read())
        raise self._gone()

    def limit(self, size: int) -> None:
        """See Connection. What is larger is refused before it is read."""
        self._incoming.limit = size

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """See Connection. Whatever this end found wrong itself is the code, where it did."""
        if self._closing:
            await checkpoint()
            return
        self._closing = True
        self._lose(code, reason)
        try:
            with anyio.move_on_after(CLOSE_TIME), suppress(*_FAILED):
                anyio.notify_closing(self._sock)  # wakes this end's tasks: they see it is lost
                if not self._told:
                    await self._take_leave()
        finally:  # also where the task is cancelled
            close_socket(self._sock)
            if self._when_closed is not None:
                self._when_closed(self)

    async def _take_leave(self) -> None:
        """Tell the other end why, and wait until it has read that.

        A socket that is closed over bytes which nobody read drops what it sent before.
        """
        code, reason = self._lost or (None, "")
        self._unsent += close_frame(code or 1000, reason)
        self._push()  # before anything is waited for: the task may be cancelled
        async with self._sending:
            await self._flush()
        self._sock.shutdown(socket.SHUT_WR)
        async with self._receiving:
            while not self._told:
                await self._read()

    # --- the socket; a waiting caller holds the lock of its direction

    async def _flush(self) -> None:
        while not self._push():
            await anyio.wait_writable(self._sock)

    def _push(self) -> bool:
        """Send what can be sent now, and say whether that was all."""
        with suppress(BlockingIOError):
            while self._unsent:
                del self._unsent[: self._sock.send(self._unsent)]
        return not self._unsent

    async def _read(self) -> bytes:
        """Return some bytes; none where there are no more, and the connection is lost then."""
        with suppress(*_FAILED):
            while True:
                await anyio.wait_readable(self._sock)
                with suppress(BlockingIOError):
                    if data := self._sock.recv(_CHUNK):
                        return data
                    break
        self._told = True
        self._lose(None, "the other end is gone")
        return b""

    def _take(self) -> bytes | None:
        """Return a message that has arrived as a whole, None if no message has."""
        try:
            found = self._incoming.take()
        except UnreadableError as error:
            self._lose(error.code, str(error))
            return None
        if isinstance(found, Closed):
            self._lose(found.code, found.reason)
            self._told = True
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)  # which the other end waits for
            return None
        return found

    def _lose(self, code: int | None, reason: str) -> None:
        self._lost = self._lost or (code, reason)

    def _gone(self) -> ConnectionLost:
        code, reason = self._lost or (None, "the other end is gone")
        return ConnectionLost(reason) if code is None else ConnectionLost.closed(code, reason)


def close_socket(sock: socket.socket) -> None:
    """Close a socket once tasks that wait for it are woken. Again, it does nothing."""
    if sock.fileno() >= 0:
        anyio.notify_closing(sock)
        sock.close()


def _prepared(sock: socket.socket) -> socket.socket:
    """Return a socket that waits for nothing. Raises: TypeError."""
    if sock.type != socket.SOCK_STREAM:
        raise TypeError(f"a stream socket is needed, not one of type {sock.type!r}")
    sock.setblocking(False)
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):  # small messages go at once; a socket that is reset has no options
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
