"""Accepting connections, each of which gets a place or is closed, on any asyncio event loop."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from clawmatrix_core.base.places import source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core.base.places import Places

__all__ = ["HeldServer"]

_AT_ONCE = 64
"""Connections that are accepted in one turn of the loop at most."""
_REST = 1.0
"""Seconds of rest where no descriptor is free, for some to be closed."""
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class _Held(socket.socket):
    """An accepted socket, whose place is free once it is closed."""

    def __init__(self, accepted: socket.socket, places: Places) -> None:
        kind = accepted.family, accepted.type, accepted.proto
        super().__init__(*kind, fileno=accepted.detach())
        self.setblocking(False)
        self._places = places

    def close(self) -> None:
        """Close it."""
        descriptor = self.fileno()
        super().close()
        if self.fileno() < 0:
            self._places.leave(descriptor)

    def detach(self) -> int:
        """Leave the closing to somebody else; uvloop calls this as it closes a socket."""
        descriptor = super().detach()
        self._places.leave(descriptor)
        return descriptor

    def cut(self) -> None:
        """End the connection; the owner of the socket notices, and closes it."""
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)


class HeldServer:
    """Accepts connections and gives each a protocol; in the place of an ``asyncio.Server``.

    The loops' own servers cannot be told which connections to take. This one can, and it knows
    of those that are still in a handshake of TLS.

    Args:
        factory: makes the protocol of a connection.
        listening: the sockets to accept from, which this takes over.
        places: who gets in.
        tls: keywords of ``loop.connect_accepted_socket``: ``ssl`` and its times.
    """

    def __init__(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        listening: Sequence[socket.socket],
        places: Places,
        **tls: ssl.SSLContext | float | None,
    ) -> None:
        self.sockets = tuple(listening)
        self._factory = factory
        self._places = places
        self._tls: dict[str, Any] = tls
        self._loop = asyncio.get_running_loop()
        self._attaching: set[asyncio.Task[None]] = set()
        self._serving = False

    def start(self) -> None:
        """Accept connections from now on."""
        self._serving = True
        for one in self.sockets:
            self._watch(one)

    # --- what an asyncio.Server has as well

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop."""
        return self._loop

    def is_serving(self) -> bool:
        """Say whether connections are accepted."""
        return self._serving

    def close(self) -> None:
        """Accept no more, and end the handshakes of TLS. Idempotent."""
        if self._serving:
            self._serving = False
            for one in self.sockets:
                self._loop.remove_reader(one)
                one.close()
            for task in self._attaching:
                task.cancel()

    async def wait_closed(self) -> None:
        """Return once no connection is in a handshake of TLS."""
        if self._attaching:
            await asyncio.wait(self._attaching)

    # --- accepting

    def _watch(self, one: socket.socket) -> None:
        if self._serving:
            self._loop.add_reader(one, self._accept, one)

    def _accept(self, one: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, name = one.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_DESCRIPTOR:
                    raise
                self._places.refuse("", "no_descriptor")
                self._loop.remove_reader(one)  # it would be ready all the time
                self._loop.call_later(_REST, self._watch, one)
                return
            self._take(_Held(accepted, self._places), name)

    def _take(self, held: _Held, name: tuple[Any, ...]) -> None:
        source = source_of(f"{name[0]}:{name[1]}")
        if self._places.enter(held.fileno(), source, held.cut) is None:
            held.close()
            return
        held.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._attach(held, source))
        self._attaching.add(task)
        task.add_done_callback(self._attaching.discard)

    async def _attach(self, held: _Held, source: str) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, held, **self._tls)
        except (OSError, asyncio.CancelledError) as error:  # its handshake failed, or it was cut
            held.close()
            if isinstance(error, ssl.SSLError):
                self._places.refuse(source, "tls_failed")
