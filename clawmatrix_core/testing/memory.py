"""A transport within one process: connections without sockets, for tests and embedding.

The simulated network of ``clawmatrix_core.testing.simulation`` is built from the same parts.
"""

from __future__ import annotations

import errno
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from anyio.lowlevel import checkpoint

from clawmatrix_core.base.bell import Bell
from clawmatrix_core.base.errors import ConnectionLost, DialError
from clawmatrix_core.wire.codec import MESSAGE_LIMIT
from clawmatrix_core.wire.transport import Connection, Listener, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core.wire.transport import Objection

__all__ = [
    "MemoryConnection",
    "MemoryHub",
    "MemoryListener",
    "MemoryTransport",
    "Pipe",
    "name_of",
]

BACKLOG = 128
"""Connections a listener holds that nobody accepted yet; more are refused."""

GOING_AWAY = 1001

_SCHEME = "memory"


class Pipe:
    """One direction of a connection: a bounded queue of messages that ends once.

    A writer calls ``reserve``, or ``hold``, then hands the message to ``arrive``, now or
    later: what is reserved counts as buffered until it is read or released. Cancelling
    ``reserve`` or ``get`` changes nothing.
    """

    def __init__(self, *, size: int = MESSAGE_LIMIT, messages: int = 64) -> None:
        """Make a pipe that takes a message while it holds less than both limits."""
        self._limits = size, messages
        self._held_size = self._held_messages = 0
        self._messages: deque[bytes] = deque()
        self._readable = Bell()
        self._writable = Bell()
        self._reader_lost: ConnectionLost | None = None
        self._writer_lost: ConnectionLost | None = None

    @property
    def read_ended(self) -> bool:
        """Whether the reading end is closed."""
        return self._reader_lost is not None

    @property
    def holds(self) -> bool:
        """Whether something is reserved and neither read nor released."""
        return self._held_messages > 0

    async def reserve(self, size: int) -> None:
        """Wait until there is room for a message. Raises: ConnectionLost."""
        await checkpoint()
        while self._writer_lost is None and self._full():
            await self._writable.wait()
        if self._writer_lost is not None:
            raise _again(self._writer_lost)
        self.hold(size)

    def reserve_now(self, size: int) -> bool:
        """Reserve if there is room for a message; False, and nothing done, where not."""
        free = self._writer_lost is None and not self._full()
        if free:
            self.hold(size)
        return free

    def hold(self, size: int) -> None:
        """Reserve for a message without waiting for room."""
        self._held_size += size
        self._held_messages += 1

    def release(self, size: int) -> None:
        """Give room back for a message that will not arrive."""
        self._held_size -= size
        self._held_messages -= 1
        self._writable.ring()

    def arrive(self, message: bytes) -> None:
        """Let the reader have a message that was reserved for."""
        if self._reader_lost is None:
            self._messages.append(message)
            self._readable.ring()

    async def get(self) -> bytes:
        """Return the next message; those that came before the end are still given.

        Raises: ConnectionLost.
        """
        await checkpoint()
        while (message := self.get_now()) is None:
            if self._reader_lost is not None:
                raise _again(self._reader_lost)
            await self._readable.wait()
        return message

    def get_now(self) -> bytes | None:
        """Return the next message, None where there is none."""
        if not self._messages:
            return None
        message = self._messages.popleft()
        self.release(len(message))
        return message

    def end_reader(self, lost: ConnectionLost, *, discard: bool = False) -> None:
        """End the reading side, at once or after what has arrived. Only the first counts."""
        if discard:
            self._messages.clear()
        if self._reader_lost is None:
            self._reader_lost = lost
            self._readable.ring()

    def end_writer(self, lost: ConnectionLost) -> None:
        """End the writing side. Only the first end counts."""
        if self._writer_lost is None:
            self._writer_lost = lost
            self._writable.ring()

    def _full(self) -> bool:
        size, messages = self._limits
        return self._held_size >= size or self._held_messages >= messages


def _again(lost: ConnectionLost) -> ConnectionLost:
    # A fresh one each time: an exception raised twice drags the first traceback along.
    return ConnectionLost(str(lost), code=lost.code)


def name_of(address: str) -> str:
    """Return the name in a ``memory://name``. Raises: ValueError."""
    scheme, separator, name = address.partition("://")
    if scheme != _SCHEME or not separator or not name:
        raise ValueError(f"{address!r} is not an address like {_SCHEME}://name")
    return name


class MemoryConnection(Connection):
    """One end of a connection of two pipes."""

    def __init__(self, remote: str, incoming: Pipe, outgoing: Pipe) -> None:
        self.remote = remote
        self._incoming = incoming
        self._outgoing = outgoing

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "open"
        return f"<MemoryConnection to {self.remote} {state}>"

    @property
    def is_closed(self) -> bool:
        """Whether either end closed."""
        return self._incoming.read_ended

    async def send(self, message: bytes) -> None:
        await self._outgoing.reserve(len(message))
        self._outgoing.arrive(message)

    async def receive(self) -> bytes:
        return await self._incoming.get()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.close_now(code, reason)
        await checkpoint()

    def close_now(self, code: int, reason: str) -> None:
        """Close without a checkpoint."""
        lost = ConnectionLost.closed(code, reason)
        self._incoming.end_reader(lost, discard=True)
        self._incoming.end_writer(lost)
        self._outgoing.end_reader(lost)
        self._outgoing.end_writer(lost)


def _pair(dialler: str, listener: str) -> tuple[MemoryConnection, MemoryConnection]:
    there, back = Pipe(), Pipe()
    return MemoryConnection(listener, back, there), MemoryConnection(dialler, there, back)


class MemoryListener(Listener):
    """A name in a hub, and the connections that came in by it."""

    def __init__(self, address: str) -> None:
        self.addresses = (address,)
        self._waiting: deque[MemoryConnection] = deque()
        self._open: list[MemoryConnection] = []
        self._arrival = Bell()

    def admit(self, connection: MemoryConnection) -> bool:
        """Queue a connection for ``accept``; False where too many wait."""
        if len(self._waiting) >= BACKLOG:
            return False
        self._open = [one for one in self._open if not one.is_closed]
        self._open.append(connection)
        self._waiting.append(connection)
        self._arrival.ring()
        return True

    async def accept(self) -> Connection:
        await checkpoint()
        while not self._waiting:
            await self._arrival.wait()
        return self._waiting.popleft()

    def close(self) -> None:
        """Close every connection that came in by this listener."""
        for connection in self._open:
            connection.close_now(GOING_AWAY, "the listener closed")


class MemoryHub:
    """The names that listen. Transports of one hub reach each other; one event loop only."""

    def __init__(self) -> None:
        self.listeners: dict[str, MemoryListener] = {}
        self.dials = 0


class MemoryTransport(Transport):
    """Connects within a hub, by addresses like ``memory://name``."""

    schemes = (_SCHEME,)

    def __init__(self, hub: MemoryHub) -> None:
        self._hub = hub

    async def dial(self, address: str) -> Connection:
        await checkpoint()
        try:
            listener = self._hub.listeners.get(name_of(address))
        except ValueError as error:
            raise DialError(str(error)) from None
        if listener is None:
            refused = f"connection refused by {address} (is a node listening there?)"
            raise DialError(refused, reason="not_listening")
        self._hub.dials += 1
        ours, theirs = _pair(f"{_SCHEME}://dialler-{self._hub.dials}", address)
        if not listener.admit(theirs):
            raise DialError(f"connection refused by {address}: it does not accept any more")
        return ours

    async def dial_advertised(self, address: str, objection: Objection) -> Connection:
        return await self.dial(address)

    @asynccontextmanager
    async def listen(self, address: str) -> AsyncIterator[Listener]:
        try:
            name = name_of(address)
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error)) from None
        if name in self._hub.listeners:
            raise OSError(errno.EADDRINUSE, f"{address} is in use")
        listener = self._hub.listeners[name] = MemoryListener(address)
        try:
            yield listener
        finally:
            del self._hub.listeners[name]
            listener.close()
