"""Reads a connection for the library, under asyncio, as long as its other end is a stranger."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from websockets.asyncio.messages import Assembler

    from clawmatrix_mesh.websocket.strangers import Stranger

__all__ = ["Doorkeeper"]


class _Guarded(Protocol):
    """What it needs of a connection."""

    recv_messages: Assembler

    def data_received(self, data: bytes) -> None: ...

    def eof_received(self) -> None: ...

    def connection_lost(self, exc: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def refuse(self) -> None: ...


class Doorkeeper(asyncio.BufferedProtocol):
    """Stands between a transport and a connection of the library.

    It reads little at a time, and nothing once the stranger has sent all that it may. When the
    other end has proved itself the library reads again, and this is out of the way.

    Args:
        ws: the connection; its ``refuse`` closes it.
        stranger: counts what comes in.
        buffer: what is read into; connections on the same loop may share it.
        transport: the connection's.
    """

    def __init__(
        self,
        ws: _Guarded,
        stranger: Stranger,
        buffer: bytearray,
        transport: asyncio.Transport,
    ) -> None:
        self._ws = ws
        self._stranger = stranger
        self._buffer = memoryview(buffer)
        self._transport = transport
        # The library pauses as messages wait, and would read on when they are taken.
        ws.recv_messages.resume = self._resume
        transport.set_protocol(self)

    def allow(self, size: int | None) -> None:
        """Read so many bytes more, or leave the reading to the library."""
        if size is None:
            self._ws.recv_messages.resume = self._transport.resume_reading
            self._transport.set_protocol(cast("asyncio.Protocol", self._ws))
            self._stranger.left = 1  # it may be resting
        else:
            self._stranger.left += size
        self._resume()

    # --- asyncio

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read to."""
        return self._buffer[: max(1, self._stranger.left)]

    def buffer_updated(self, nbytes: int) -> None:
        """Pass on what was read."""
        self._stranger.add(nbytes)
        self._ws.data_received(bytes(self._buffer[:nbytes]))
        if self._stranger.stuck:
            self._ws.refuse()
        elif self._stranger.left <= 0:
            self._transport.pause_reading()

    def eof_received(self) -> bool | None:
        """Pass it on."""
        self._ws.eof_received()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._ws.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._ws.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._ws.resume_writing()

    # --- when to read

    def _resume(self) -> None:
        if self._stranger.left > 0 and not self._ws.recv_messages.paused:
            self._transport.resume_reading()
