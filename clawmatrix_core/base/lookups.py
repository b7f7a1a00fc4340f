"""Looking up the names of hosts, in threads that nothing else uses and nothing waits for.

The system's own lookup is the one that knows ``/etc/hosts`` and what else is configured, and it
blocks: for half a minute and more where a name server is silent. Pools that an event loop shares
with everything else fill up with such lookups, and a program that ends waits for them.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import anyio
import attrs
from anyio.lowlevel import checkpoint, current_token

from clawmatrix_core.base.ip import IPAddress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.lowlevel import EventLoopToken

__all__ = ["CONFIGURED_NAMES", "STRANGE_NAMES", "IPAddress", "Lookups", "TcpAddress"]

CONFIGURED_NAMES = 256
"""Threads for names from a configuration: one a name, so that these are no more than the names."""
STRANGE_NAMES = 8
"""Threads for names that other nodes chose. A lookup that finds none free waits."""


@attrs.frozen
class TcpAddress:
    """A number and a port to connect to.

    Attributes:
        family: ``AF_INET`` or ``AF_INET6``.
        name: the address as sockets take it: number, port, and for IPv6 two numbers more.
    """

    family: socket.AddressFamily
    name: tuple[str | int, ...]

    @property
    def ip(self) -> IPAddress:
        """The number. Its scope, in ``fe80::1%eth0``, is left out."""
        return ipaddress.ip_address(str(self.name[0]).partition("%")[0])

    @property
    def port(self) -> int:
        """The port."""
        return int(self.name[1])


def look_up(host: str) -> list[TcpAddress]:
    """Ask the system for a host's addresses, the preferred one first; port 0. Blocks.

    Raises: OSError, most often socket.gaierror.
    """
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label that no name may have
        raise socket.gaierror(socket.EAI_NONAME, "it is not a name") from None
    return [
        TcpAddress(family, cast("tuple[str | int, ...]", name))
        for family, _, _, _, name in found
        if family in _FAMILIES
    ]


_FAMILIES = (socket.AF_INET, socket.AF_INET6)


@attrs.define(eq=False)
class _Lookup:
    """A name that is being looked up, once for all who ask for it meanwhile."""

    host: str
    waiting: int = 0
    begun: bool = False
    done: anyio.Event = attrs.field(factory=anyio.Event)
    found: list[TcpAddress] = attrs.field(factory=list)
    error: OSError | None = None


class Lookups:
    """Looks up names, each in a thread of its own, up to a number of threads.

    A caller that is cancelled leaves its lookup behind. Its thread counts until the system
    gives the name up, and serves whoever asks for the same name again. The threads are daemons,
    which hold up neither the end of an event loop nor that of the process.
    """

    def __init__(
        self,
        threads: int = CONFIGURED_NAMES,
        *,
        look: Callable[[str], Sequence[TcpAddress]] = look_up,
    ) -> None:
        """Make a resolver; ``look`` is called in a thread, and raises OSError."""
        self._free = threads
        self._look = look
        self._running: dict[str, _Lookup] = {}
        self._queue: deque[_Lookup] = deque()

    def __repr__(self) -> str:
        return f"<Lookups {len(self._running) - len(self._queue)} running, {self._free} free>"

    async def resolve(self, host: str, port: int) -> list[TcpAddress]:
        """Return the addresses of a host, the preferred one first. A number needs no lookup.

        The caller sets a limit of time. Raises: OSError, where there are none.
        """
        number = _number(host, port)
        if number is not None:
            await checkpoint()
            return [number]
        lookup = self._running.get(host) or self._add(host)
        lookup.waiting += 1
        try:
            await lookup.done.wait()
        finally:
            lookup.waiting -= 1
            self._drop_unwanted(lookup)
        if lookup.error is not None:
            raise _copy(lookup.error)
        return [_at_port(address, port) for address in lookup.found]

    def _add(self, host: str) -> _Lookup:
        lookup = self._running[host] = _Lookup(host)
        if self._free > 0:
            self._begin(lookup)
        else:
            self._queue.append(lookup)
        return lookup

    def _begin(self, lookup: _Lookup) -> None:
        self._free -= 1
        lookup.begun = True
        threading.Thread(
            target=self._run, args=(lookup, current_token()), name="lookup", daemon=True
        ).start()

    def _drop_unwanted(self, lookup: _Lookup) -> None:
        if not lookup.waiting and not lookup.begun:
            self._queue.remove(lookup)
            del self._running[lookup.host]

    def _run(self, lookup: _Lookup, token: EventLoopToken) -> None:
        """Look a name up. Runs in a thread, and may outlive the event loop."""
        from anyio import from_thread  # where no name is looked up nobody needs it

        try:
            lookup.found = list(self._look(lookup.host))
        except OSError as error:
            lookup.error = error
        with suppress(RuntimeError):  # the event loop has ended
            from_thread.run_sync(self._end, lookup, token=token)

    def _end(self, lookup: _Lookup) -> None:
        del self._running[lookup.host]
        self._free += 1
        lookup.done.set()
        if self._queue:
            self._begin(self._queue.popleft())


def _number(host: str, port: int) -> TcpAddress | None:
    if "%" in host:  # a scope, which only the system can turn into a number
        return None
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    return _at_port(TcpAddress(family, (str(ip), 0, 0, 0)[: 2 if ip.version == 4 else 4]), port)


def _at_port(address: TcpAddress, port: int) -> TcpAddress:
    return TcpAddress(address.family, (address.name[0], port, *address.name[2:]))


def _copy(error: OSError) -> OSError:
    """Return an error for one of several callers: each adds a traceback of its own."""
    return type(error)(*error.args)
