"""A queue of bytes between a task that reads and one that writes."""

from __future__ import annotations

from typing import NoReturn

import anyio

from clawmatrix_core import Bound

__all__ = ["ROOM", "ByteQueue"]

ROOM = Bound(
    256 * 1024,
    "bytes of a streamed answer that wait for the other node, one read more at most",
    fed_by="an upstream",
    when_full="nothing more is read of the upstream",
)


class ByteQueue:
    """Gives the bytes that have gathered while the writer was busy in one piece.

    One task calls ``put``, ``wait_room`` and ``close``; one iterates, and is raised what
    ``close`` was given once it has taken all there is.
    """

    def __init__(self, room: int = int(ROOM)) -> None:
        self._room = room
        self._pieces: list[bytes] = []
        self._size = 0
        self._closed = False
        self._error: Exception | None = None
        self._wake: anyio.Event | None = None
        self._space: anyio.Event | None = None

    @property
    def full(self) -> bool:
        """True while ``wait_room`` would wait."""
        return self._size >= self._room

    @property
    def empty(self) -> bool:
        """True where the writer has taken all there is."""
        return not self._pieces

    def put(self, data: bytes) -> None:
        """Add bytes."""
        self._pieces.append(data)
        self._size += len(data)
        if self._wake is not None:
            self._wake.set()
            self._wake = None

    def put_back(self, data: bytes) -> None:
        """Give bytes again that the one that iterates has taken, before all others."""
        if data:
            self._pieces.insert(0, data)
            self._size += len(data)

    async def wait_room(self) -> None:
        """Return when the writer has taken what waits."""
        while self._size >= self._room:
            self._space = anyio.Event()
            await self._space.wait()

    def close(self, error: Exception | None = None) -> None:
        """Say that no more comes, and why where that is an error."""
        self._closed = True
        self._error = error
        if self._wake is not None:
            self._wake.set()
            self._wake = None

    def __aiter__(self) -> ByteQueue:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._error is not None:
                self._raise()
            if self._closed:
                raise StopAsyncIteration
            self._wake = anyio.Event()
            await self._wake.wait()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        if self._space is not None:
            self._space.set()
            self._space = None
        return data

    def _raise(self) -> NoReturn:
        """Raise the error, once: if it were kept, its frames would lead back here."""
        error, self._error = self._error, None
        assert error is not None
        try:
            raise error
        finally:
            del error
