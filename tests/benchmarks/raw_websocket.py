"""A WebSocket client that costs next to nothing, so that a benchmark measures the relay.

It speaks just enough of the protocol for two ends of one process on loopback. As a
``Connection`` it goes through the real handshake; after that, ``on_message`` has every
message as it comes, and ``transport`` takes whole prebuilt frames.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections import deque
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from clawmatrix_core.base.errors import ConnectionLost
from clawmatrix_core.wire.transport import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RawConnection", "client_frame", "dial"]

_BINARY, _CLOSE = 0x82, 0x88


def client_frame(message: bytes) -> bytes:
    """Return a message as a client sends it. The mask is zero, which masks nothing."""
    size = len(message)
    if size < 126:
        head = bytes((_BINARY, 0x80 | size))
    elif size < 65536:
        head = bytes((_BINARY, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_BINARY, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + bytes(4) + message


class RawConnection(Connection, asyncio.Protocol):
    """One end.

    Attributes:
        on_message: called with each message; while it is None they wait for ``receive``.
    """

    def __init__(self, host: str, path: str) -> None:
        self.remote = host
        self.on_message: Callable[[memoryview], None] | None = None
        self.on_batch: Callable[[], None] = lambda: None
        self.opened = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport
        self._path = path
        self._buffer = bytearray()
        self._messages: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._lost: str | None = None

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {self.remote}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.opened.done():
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            assert self._buffer.startswith(b"HTTP/1.1 101"), bytes(self._buffer)
            del self._buffer[: end + 4]
            self.opened.set_result(None)
        used = self._take_frames()
        del self._buffer[:used]
        self.on_batch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = self._lost or f"connection lost: {exc}"
        self._wake()

    def _take_frames(self) -> int:
        at, end = 0, len(self._buffer)
        with memoryview(self._buffer) as view:
            while end - at >= 2:
                size, head = view[at + 1], 2
                if size >= 126:
                    head = 4 if size == 126 else 10
                    if end - at < head:
                        break
                    size = int.from_bytes(view[at + 2 : at + head], "big")
                if end - at < head + size:
                    break
                with view[at + head : at + head + size] as message:
                    self._take(view[at], message)
                at += head + size
        return at

    def _take(self, first: int, message: memoryview) -> None:
        if first == _CLOSE:
            self._lost = f"closed: {bytes(message)!r}"
        elif self.on_message is not None:
            self.on_message(message)
        else:
            self._messages.append(bytes(message))
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- the handshake's side

    async def send(self, message: bytes) -> None:
        self._check()
        self.transport.write(client_frame(message))

    async def receive(self) -> bytes:
        while not self._messages:
            self._check()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._messages.popleft()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.transport.abort()

    def _check(self) -> None:
        if self._lost is not None:
            raise ConnectionLost(self._lost)


async def dial(address: str, path: str = "/") -> RawConnection:
    """Connect to ``ws://host:port``."""
    host, _, port = urlsplit(address).netloc.rpartition(":")
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: RawConnection(f"{host}:{port}", path), host, int(port)
    )
    await connection.opened
    return connection
