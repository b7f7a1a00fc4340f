"""Opening TCP connections to names: Happy Eyeballs (RFC 8305), on any event loop."""

from __future__ import annotations

import errno
import os
import socket
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.base.lookups import CONFIGURED_NAMES, STRANGE_NAMES, Lookups, look_up_ipv4

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from typing import Self

    from clawmatrix_core.base.lookups import TcpAddress

__all__ = ["TcpDialler", "connect"]

STAGGER = 0.25
"""Seconds an address has before the next one of its host is tried beside it."""
NAME_SHARE = 0.8
"""The share of the time for a connection that the lookup of its name may take."""
ATTEMPTS = 16
"""Addresses of one host that are tried at most."""

_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""What a machine without IPv6 says of each IPv6 address, and the least telling of errors."""


async def connect(address: TcpAddress) -> socket.socket:
    """Return a connected socket, which does not block. Raises: OSError."""
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        code = sock.connect_ex(address.name)
        if code in (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR):
            await anyio.wait_writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock


class TcpDialler:
    """Looks names up, and connects to whichever of their addresses accepts first.

    Attributes:
        resolve: returns the addresses of a host and port.
    """

    class NameServerSilent(OSError):
        """A name was neither found nor refused in time."""

    def __init__(
        self,
        resolve: Callable[[str, int], Awaitable[Sequence[TcpAddress]]] | None = None,
        connect: Callable[[TcpAddress], Awaitable[socket.socket]] = connect,
        *,
        stagger: float = STAGGER,
    ) -> None:
        """Make a dialler. Tests pass a resolver and a connector; both raise OSError."""
        self.resolve = resolve or _resolver(CONFIGURED_NAMES)
        self._connect = connect
        self._stagger = stagger

    @classmethod
    def for_strangers(cls) -> Self:
        """Return a dialler for names that other nodes chose: these have a few threads alone."""
        return cls(_resolver(STRANGE_NAMES))

    async def open(self, host: str, port: int, *, limit: float) -> socket.socket:
        """Return a socket connected to a host, within ``limit`` seconds.

        Raises: NameServerSilent; TimeoutError, where no address answers; other OSErrors.
        """
        deadline = anyio.current_time() + limit
        addresses = await self.look_up(host, port, limit=limit)
        return await self.open_one(addresses, limit=deadline - anyio.current_time())

    async def look_up(self, host: str, port: int, *, limit: float) -> list[TcpAddress]:
        """Return the addresses of a host: at least one, in turn of the two families.

        ``limit`` is in seconds, for the connection that is to come of it.
        Raises: NameServerSilent; other OSErrors.
        """
        seconds = limit * NAME_SHARE
        with anyio.move_on_after(seconds):
            found = _interleaved(await self.resolve(host, port))
            if not found:
                raise socket.gaierror(socket.EAI_NONAME, "it has no address")
            return found
        raise self.NameServerSilent(
            errno.ETIMEDOUT, f"no name server answered within {seconds:g} s, asked for {host}"
        )

    async def open_one(self, addresses: Sequence[TcpAddress], *, limit: float) -> socket.socket:
        """Return a socket connected to the first of some addresses that accepts.

        Each has a moment before the next one is tried as well, or less where it fails sooner.
        Raises: TimeoutError, where none accepts within ``limit`` seconds; other OSErrors.
        """
        race = _Race(self._connect)
        try:
            with anyio.fail_after(max(limit, 0.0)):
                async with anyio.create_task_group() as tasks:
                    for address in addresses[:ATTEMPTS]:
                        over = anyio.Event()
                        tasks.start_soon(race.run, address, over, tasks.cancel_scope)
                        with anyio.move_on_after(self._stagger):
                            await over.wait()
        except BaseException:
            race.close()
            raise
        return race.result()


def _resolver(threads: int) -> Callable[[str, int], Awaitable[Sequence[TcpAddress]]]:
    return Lookups(threads, look_again=look_up_ipv4).resolve


class _Race:
    """Connections that are tried at the same time, of which the first is kept."""

    def __init__(self, connect: Callable[[TcpAddress], Awaitable[socket.socket]]) -> None:
        self._connect = connect
        self._winner: socket.socket | None = None
        self._errors: list[OSError] = []

    async def run(
        self, address: TcpAddress, over: anyio.Event, everything: anyio.CancelScope
    ) -> None:
        try:
            sock = await self._connect(address)
        except OSError as error:
            self._errors.append(error)
        else:
            if self._winner is None:
                self._winner = sock
                everything.cancel()
            else:
                sock.close()
        over.set()

    def close(self) -> None:
        """Close the winner, if there is one: nobody takes it."""
        if self._winner is not None:
            self._winner.close()

    def result(self) -> socket.socket:
        """Return the winner, else raise the most telling error."""
        if self._winner is not None:
            return self._winner
        raise next((e for e in self._errors if e.errno not in _NO_WAY), self._errors[0])


def _interleaved(addresses: Iterable[TcpAddress]) -> list[TcpAddress]:
    """Return the addresses, each once, in turn of the two families, the preferred one first."""
    found = list(dict.fromkeys(addresses))
    first = [address for address in found if address.family == found[0].family]
    others = [address for address in found if address.family != found[0].family]
    return [one for one in chain(*zip_longest(first, others)) if one is not None]
