"""A connected socket as a stream, under asyncio, at the price of a transport alone.

anyio's own stream takes two turns of the loop for a small request, and tells the kernel to watch
the socket and to stop watching it for each answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.lowlevel import cancel_shielded_checkpoint

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

__all__ = ["AsyncioStream"]

_SMALL = 64 * 1024
"""Bytes that are taken at once: as many as a transport holds before a writer has to wait."""


class AsyncioStream(asyncio.Protocol, ByteStream):
    """A stream of bytes over a transport. One task sends, and one receives.

    What comes while nobody receives is one piece at most; then nothing more is read.

    Attributes:
        expired: it was cut off, since the time of ``limit`` had come.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._unread: deque[bytes] = deque()
        self._stopped = self._ended = self._closed = self._paused = False
        self.expired = False
        self._lost: Exception | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        state = "closed" if self._closed else "lost" if self._lost else "open"
        return f"<AsyncioStream {state}>"

    @classmethod
    async def over(cls, sock: socket.socket) -> AsyncioStream:
        """Return the stream of a connected socket, which it closes in the end."""
        _, stream = await asyncio.get_running_loop().create_connection(cls, sock=sock)
        return stream

    @property
    def holds_more(self) -> bool:
        """True where something has come that nobody has received: bytes, or the end."""
        return bool(self._unread) or self._ended

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """What TLS and the client look at."""
        return {SocketAttribute.raw_socket: lambda: self._transport.get_extra_info("socket")}

    # --- writing

    async def send(self, item: bytes) -> None:
        """Send bytes; wait until the kernel has them where they are many.

        Raises: ClosedResourceError, BrokenResourceError.
        """
        self._check()
        small = len(item) <= _SMALL
        if not small:
            self._transport.set_write_buffer_limits(0)
        try:
            self._transport.write(item)
            if self._paused:
                await self._drain()
        finally:
            if not small:
                self._transport.set_write_buffer_limits()

    async def _drain(self) -> None:
        while self._paused and not self._ended_for_good:
            self._writer = self._loop.create_future()
            await self._writer
        self._check()

    @property
    def _ended_for_good(self) -> bool:
        return self._closed or self._lost is not None

    def _check(self) -> None:
        if self._closed:
            raise anyio.ClosedResourceError
        if self._lost is not None:
            raise anyio.BrokenResourceError from self._lost

    async def send_eof(self) -> None:
        """Say that nothing more will be sent."""
        self._transport.write_eof()

    # --- reading

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Return the next bytes. Raises: EndOfStream, ClosedResourceError, BrokenResourceError."""
        unread = self._unread
        while not unread:
            if self._ended or self._ended_for_good:
                self._check()
                raise anyio.EndOfStream
            if self._stopped:
                self._stopped = False
                self._transport.resume_reading()
            self._reader = self._loop.create_future()
            await self._reader
        piece = unread.popleft()
        if len(piece) > max_bytes:
            unread.appendleft(piece[max_bytes:])
            piece = piece[:max_bytes]
        return piece

    # --- closing

    def limit(self, deadline: float | None) -> None:
        """Cut it off at a time of the loop, unless told otherwise before; None for never.

        That takes a tenth of what a cancel scope does.
        """
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self.expired = True
        self._lost = TimeoutError("the time is over")
        self._transport.abort()
        self._wake()

    async def aclose(self) -> None:
        """Close at once; what has not been sent is dropped."""
        self._closed = True
        self.limit(None)
        self._transport.abort()
        self._wake()
        await cancel_shielded_checkpoint()  # in this turn of the loop the socket is closed

    def _wake(self) -> None:
        for waiting in (self._reader, self._writer):
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    # --- what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._unread.append(data)
        reader = self._reader
        if reader is not None and not reader.done():
            reader.set_result(None)
        elif not self._stopped:
            self._stopped = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._ended = True
        self._wake()
        return True  # the other end may still take what is sent

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._lost = exc
        self._ended = True
        self._paused = False
        self._wake()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)
