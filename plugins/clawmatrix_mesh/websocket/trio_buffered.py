"""A stream under trio that takes what is sent at once, and reads strangers with a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from websockets.protocol import Protocol, State

from clawmatrix_core.spi import Bell
from clawmatrix_mesh.websocket.connection import CLOSE_TIMEOUT, HELD_LIMIT, WRITE_LIMIT
from clawmatrix_mesh.websocket.strangers import READ

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_mesh.websocket.strangers import Stranger

__all__ = ["Buffered"]


class Buffered(trio.abc.HalfCloseableStream):
    """A stream that takes what is sent at once and writes it in a task of its own.

    While the library writes it holds a lock that its reading task needs as well, so two
    ends that both wait for the other to read would wait for ever. With this it never
    waits there; ``room`` is where a sender does.
    """

    def __init__(self, inner: trio.abc.Stream, protocol: Protocol) -> None:
        self.inner = inner
        self.stranger: Stranger | None = None
        self.refuse: Callable[[], None] = lambda: None
        self.ended = self._is_cut = False
        self._protocol = protocol
        self._close_by: float | None = None
        self._queue: list[bytes] = []
        self._held = 0
        self._ending = False
        self._gone = False
        self._news = Bell()
        self._room = Bell()
        self._allowance = Bell()

    async def room(self) -> None:
        """Wait until less is held than the limit, or the stream is gone."""
        await trio.lowlevel.checkpoint()
        while self._held >= WRITE_LIMIT and not self._gone:
            await self._room.wait()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._gone or self._held > HELD_LIMIT:
            raise trio.BrokenResourceError
        self.push(data)

    def push(self, data: bytes | bytearray | memoryview) -> None:
        """Write without a wait, and without a bound."""
        self._queue.append(bytes(data))
        self._held += len(data)
        self._news.ring()

    async def wait_send_all_might_not_block(self) -> None:
        await self.room()

    async def send_eof(self) -> None:
        self._ending = True
        self._news.ring()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self.stranger is not None:
            max_bytes = await self._allowed(self.stranger)
        if self._is_cut:
            await trio.lowlevel.checkpoint()
            return b""
        if self._protocol.state is not State.CLOSING:
            data = await self.inner.receive_some(max_bytes)
            self.ended = not data
            if self.stranger is not None:
                self.stranger.add(len(data))
            return data
        # The library waits here for the other end to close, however long that takes.
        if self._close_by is None:
            self._close_by = trio.current_time() + CLOSE_TIMEOUT
        with trio.move_on_at(self._close_by):
            return await self.inner.receive_some(max_bytes)
        return b""

    def allow(self, size: int | None) -> None:
        """Read so many bytes more of a stranger, or any number."""
        if self.stranger is not None and size is not None:
            self.stranger.left += size
        elif size is None:
            self.stranger = None
        self._allowance.ring()

    def cut(self) -> None:
        """Read nothing more, as if the other end had closed."""
        self._is_cut = True
        self._allowance.ring()

    async def _allowed(self, stranger: Stranger) -> int | None:
        """Wait until the stranger may send, and return how much to read of it."""
        while stranger.left <= 0 and self.stranger is not None and not self._has_ended:
            if stranger.stuck:
                self.refuse()
            else:
                await self._allowance.wait()
        return None if self.stranger is None else min(READ, max(1, stranger.left))

    @property
    def _has_ended(self) -> bool:
        return self._gone or self._is_cut

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
        self._allowance.ring()
