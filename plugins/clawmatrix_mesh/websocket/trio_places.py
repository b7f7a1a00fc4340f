"""Places for connections that come in under trio. Importing this imports trio."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from clawmatrix_core.spi import Places
from clawmatrix_mesh.websocket.address import host_port

if TYPE_CHECKING:
    import socket


__all__ = ["HeldListener", "HeldStream"]


@attrs.define(eq=False)
class HeldStream(trio.abc.HalfCloseableStream):
    """A stream whose place is free once it is closed.

    Attributes:
        inner: the stream of the socket.
        shaking: it has yet to finish a handshake of TLS.
    """

    inner: trio.SocketStream
    _places: Places
    _source: str
    shaking: bool = False
    _heard: bool = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See trio."""
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """See trio."""
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """See trio."""
        received = await self.inner.receive_some(max_bytes)
        self._heard = self._heard or bool(received)
        return received

    async def send_eof(self) -> None:
        """See trio."""
        await self.inner.send_eof()

    async def aclose(self) -> None:
        """Close it, and give its place back."""
        descriptor = self.inner.socket.fileno()
        try:
            await self.inner.aclose()
        finally:
            if descriptor >= 0:
                self._places.leave(descriptor)
                if self.shaking and self._heard:
                    self._places.refuse(self._source, "tls_failed")


class HeldListener(trio.abc.Listener[HeldStream]):
    """Gives each connection that it accepts a place, or closes it; with ``tls``, before that."""

    def __init__(self, bound: socket.socket, places: Places, *, tls: bool) -> None:
        self.socket = trio.socket.from_stdlib_socket(bound)
        self._inner = trio.SocketListener(self.socket)
        self._places = places
        self._tls = tls

    async def accept(self) -> HeldStream:
        """Return the next connection that gets a place."""
        while True:
            sock = (await self._inner.accept()).socket
            try:
                source = Places.source_of(host_port(sock.getpeername()))
            except OSError:  # it has gone already
                sock.close()
                continue
            cut = partial(_cut, sock)
            if self._places.enter(sock.fileno(), source, cut) is not None:
                return HeldStream(trio.SocketStream(sock), self._places, source, self._tls)
            sock.close()

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()


def _cut(sock: trio.socket.SocketType) -> None:
    with suppress(OSError):
        sock.shutdown(trio.socket.SHUT_RDWR)
