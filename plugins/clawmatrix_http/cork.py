"""A transport that gathers what is written in one turn of the loop into one send.

uvicorn writes the head of an answer and its body apart; each would be a system call, and
often a packet, of its own.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["CorkedTransport"]

LIMIT = 64 * 1024
"""Bytes that are gathered at most; more go out at once, so that writers get to wait."""


class CorkedTransport(asyncio.Transport):
    """Wraps the transport of a connection."""

    def __init__(self, inner: asyncio.Transport, loop: AbstractEventLoop) -> None:
        super().__init__()
        self._inner = inner
        self._loop = loop
        self._pieces: list[bytes] = []
        self._size = 0

    def __repr__(self) -> str:
        return f"<CorkedTransport {self._size} bytes of {self._inner!r}>"

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send the bytes at the end of this turn of the loop; drop them where nobody is there."""
        if self._inner.is_closing():
            return
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(bytes(data))
        self._size += len(data)
        if self._size >= LIMIT:
            self.flush()

    def flush(self) -> None:
        """Send what is gathered."""
        if self._pieces:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces = []
            self._size = 0
            self._inner.write(data)

    def close(self) -> None:
        """Send what is gathered, and close."""
        self.flush()
        self._inner.close()

    def abort(self) -> None:
        """Close at once."""
        self._pieces = []
        self._inner.abort()

    def is_closing(self) -> bool:
        """Say whether the connection is closing or closed."""
        return self._inner.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the connection knows of itself."""
        return self._inner.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Take no more bytes in."""
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes in again."""
        self._inner.resume_reading()
