"""What connections under asyncio have beside the library, whoever opened them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from websockets.asyncio.connection import Connection
from websockets.frames import CloseCode, Opcode
from websockets.protocol import State

from clawmatrix_mesh.websocket.connection import CLOSE_TIMEOUT, HELD_LIMIT, WebSocket
from clawmatrix_mesh.websocket.doorkeeper import Doorkeeper
from clawmatrix_mesh.websocket.strangers import FRAMES_HELD, Stranger, Watched

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["SETTINGS", "OwnConnection", "QuickWebSocket"]

SETTINGS: Final = ("ping_interval", "ping_timeout", "close_timeout", "max_queue")
"""Which settings of the library a connection takes itself."""


class OwnConnection(Watched, Connection):
    """What both ends have beside the library."""

    _door: Doorkeeper | None = None

    def guard(self, transport: asyncio.BaseTransport, buffer: bytearray) -> None:
        """Read as much as a stranger may send, until ``allow`` says otherwise."""
        self.stranger = Stranger()
        reading = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        self._door = Doorkeeper(self, self.stranger, buffer, reading)

    def allow(self, size: int | None) -> None:
        if self._door is None:
            return
        self._door.allow(size)
        if size is None:
            self._door = self.stranger = None

    def fail(self, code: int, reason: str) -> None:
        """Close the connection, telling the other end where that is possible."""
        if self.protocol.state is State.CONNECTING:
            self.transport.abort()
        elif self.protocol.state is State.OPEN:
            self.protocol.fail(code, reason)
            self.send_data()
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        _look_after(self)


def _look_after(ws: OwnConnection) -> None:
    """Cut off a peer that the library would let fill memory, or keep a closed connection."""
    if ws.transport.get_write_buffer_size() > HELD_LIMIT:
        # Answers to pings wait for nobody, so a peer that pings and does not read could.
        ws.transport.abort()
    elif len(ws.recv_messages.frames) > FRAMES_HELD:
        ws.fail(CloseCode.PROTOCOL_ERROR, "too many frames at once")
    if ws.state is State.CLOSING:
        ws.loop.call_later(CLOSE_TIMEOUT, ws.transport.abort)


class QuickWebSocket(WebSocket):
    """A connection with short ways around the library's tasks, for what need not wait."""

    _ws: OwnConnection

    def __init__(
        self, ws: OwnConnection, remote: str, proved: Callable[[], None] | None = None
    ) -> None:
        super().__init__(ws, remote, close=ws.close, abort=ws.transport.abort, proved=proved)

    def send_now(self, message: bytes) -> bool:
        ws = self._ws
        if ws.paused or ws.state is not State.OPEN or ws.transport.is_closing():
            return False
        ws.protocol.send_binary(message)
        ws.send_data()
        return True

    async def send(self, message: bytes) -> None:
        if not self.send_now(message):
            await super().send(message)
        elif self._ws.paused:
            with suppress(OSError):  # the next call says that the connection is lost
                await self._ws.drain()

    async def receive(self) -> bytes:
        if self._closing is None and self._ws.stranger is None:
            messages = self._ws.recv_messages
            frames = messages.frames.queue
            if frames and frames[0].fin and frames[0].opcode is Opcode.BINARY:
                data = frames.popleft().data
                messages.maybe_resume()
                return bytes(data)
        return await super().receive()
