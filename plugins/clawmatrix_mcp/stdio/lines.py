"""Standard input and output as lines, each read and written in a thread.

Threads, since a client may connect anything to them: pipes, sockets, files and terminals, of
which an event loop watches only some, and whose other ends may stop reading.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import select
import threading
from typing import TYPE_CHECKING, Final

import anyio
from anyio import from_thread, lowlevel

from clawmatrix_core import Bound

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_LINE", "LineReader", "LineWriter", "TooLong"]

MAX_LINE = Bound(
    64 * 1024 * 1024,
    "bytes of one line to or from `clawmatrix mcp`",
    fed_by="a client",
    when_full="the rest of the line is skipped, and an error says so",
)
_CHUNK: Final = 256 * 1024
_GONE: Final = (
    anyio.RunFinishedError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
    concurrent.futures.CancelledError,
)


class TooLong:
    """Stands for a line that was too long."""


class LineReader:
    """Reads lines from a descriptor; ``lines`` ends where it ends."""

    def __init__(self, descriptor: int, *, limit: int = MAX_LINE) -> None:
        """Make one; ``limit`` is in bytes. Begins with ``start``."""
        self._descriptor = descriptor
        self._limit = limit
        self._send, self.lines = anyio.create_memory_object_stream[bytes | TooLong](0)

    def start(self) -> None:
        """Begin to read. Call it within the event loop."""
        token = lowlevel.current_token()
        run = lambda line: from_thread.run(self._send.send, line, token=token)  # noqa: E731
        end = lambda: from_thread.run_sync(self._send.close, token=token)  # noqa: E731
        _begin("mcp-input", lambda: self._read(run, end))

    def close(self) -> None:
        """Give no more lines; what is still to be read stays with the descriptor."""
        self._send.close()
        self.lines.close()

    def _read(self, give: Callable[[bytes | TooLong], None], end: Callable[[], None]) -> None:
        with contextlib.suppress(*_GONE):
            splitter = Splitter(self._limit)
            try:
                while chunk := _read_some(self._descriptor):
                    for line in splitter.feed(chunk):
                        give(line)
            finally:
                end()


class Splitter:
    """Cuts bytes into lines, without their ends; empty ones are left out."""

    def __init__(self, limit: int) -> None:
        """Make one for lines of at most ``limit`` bytes."""
        self._limit = limit
        self._rest = bytearray()
        self._skips = False

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """Return the lines that have ended, each once; a line too long is told as it gets so."""
        found: list[bytes | TooLong] = []
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._add(part, found)
            line = bytes(self._rest).strip()
            if line and not self._skips:
                found.append(line)
            self._rest.clear()
            self._skips = False
        self._add(rest, found)
        return found

    def _add(self, part: bytes, found: list[bytes | TooLong]) -> None:
        if self._skips:
            return
        if len(self._rest) + len(part) > self._limit:
            self._rest.clear()
            self._skips = True
            found.append(TooLong())
            return
        self._rest += part


class LineWriter:
    """Writes lines to a descriptor, each whole.

    Attributes:
        broken: set when nobody can read them any more.
    """

    def __init__(self, descriptor: int) -> None:
        """Make one. Begins with ``start``."""
        self._descriptor = descriptor
        self._lines, self._receive = anyio.create_memory_object_stream[bytes](0)
        self.broken = anyio.Event()
        self._ended = anyio.Event()

    def start(self) -> None:
        """Begin to write. Call it within the event loop."""
        token = lowlevel.current_token()
        take = lambda: from_thread.run(self._receive.receive, token=token)  # noqa: E731
        tell = lambda what: from_thread.run_sync(what, token=token)  # noqa: E731
        _begin("mcp-output", lambda: self._write(take, tell))

    async def write(self, line: bytes) -> None:
        """Write a line, which comes without its end; waits while the reader is slow."""
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._lines.send(line + b"\n")

    async def aclose(self) -> None:
        """Wait until all lines are written."""
        self._lines.close()
        await self._ended.wait()

    def _write(self, take: Callable[[], bytes], tell: Callable[[Callable[[], None]], None]) -> None:
        with contextlib.suppress(*_GONE):
            try:
                while True:
                    _write_all(self._descriptor, take())
            except OSError:
                tell(self.broken.set)
            finally:
                tell(self._receive.close)
                tell(self._ended.set)


def _begin(name: str, work: Callable[[], None]) -> None:
    # A daemon: one that waits for a client which says nothing more does not hold up the end.
    threading.Thread(target=work, name=name, daemon=True).start()


def _read_some(descriptor: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, _CHUNK)
        except BlockingIOError:  # whoever has the other end made it so
            select.select([descriptor], [], [])
        except OSError:
            return b""


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
