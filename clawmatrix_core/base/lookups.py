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

__all__ = [
    "CONFIGURED_NAMES",
    "STRANGE_NAMES",
    "IPAddress",
    "Lookups",
    "TcpAddress",
    "look_up_ipv4",
]

CONFIGURED_NAMES = 256
"""Threads for names from a configuration: one a name, so that these are no more than the names."""
STRANGE_NAMES = 8
"""Threads for names that other nodes chose. A lookup that finds none free waits."""
LATE = 0.5
"""Seconds without an answer after which the IPv4 addresses of a name are asked for alone.

Some name servers drop queries for IPv6 addresses, and the system waits for both answers.
"""


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


def look_up_ipv4(host: str) -> list[TcpAddress]:
    """Ask for a host's IPv4 addresses alone, as ``look_up`` does."""
    return look_up(host, socket.AF_INET)


def look_up(host: str, family: int = socket.AF_UNSPEC) -> list[TcpAddress]:
    """Ask the system for a host's addresses, the preferred one first; port 0. Blocks.

    Raises: OSError, most often socket.gaierror.
    """
    try:
        found = socket.getaddrinfo(host, 0, family, socket.SOCK_STREAM)
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
    asked_again: bool = False
    done: anyio.Event = attrs.field(factory=anyio.Event)
    found: list[TcpAddress] = attrs.field(factory=list)
    error: OSError | None = None


class Lookups:
    """Looks up names, each in a thread of its own, up to a number of threads.

    A name that takes long has a second thread, for its IPv4 addresses alone. What that one finds
    serves until the first one has ended.

    A caller that is cancelled leaves its lookup behind. Its thread counts until the system
    gives the name up, and serves the next caller that asks for the same name. The threads are
    daemons, which hold up neither the end of an event loop nor that of the process.
    """

    def __init__(
        self,
        threads: int = CONFIGURED_NAMES,
        *,
        look: Callable[[str], Sequence[TcpAddress]] = look_up,
        look_again: Callable[[str], Sequence[TcpAddress]] | None = None,
        late: float = LATE,
    ) -> None:
        """Make a resolver.

        Args:
            threads: how many there may be.
            look: finds the addresses of a name. Called in a thread; raises OSError.
            look_again: the same, for a name that ``look`` takes longer over than ``late`` seconds.
            late: see there.
        """
        self._free = threads
        self._look = look
        self._look_again = look_again
        self._late = late
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
            with anyio.move_on_after(self._late):
                await lookup.done.wait()
            if not lookup.done.is_set():
                self._ask_again(lookup)
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
        _start_thread(self._run, lookup)

    def _ask_again(self, lookup: _Lookup) -> None:
        if self._look_again is not None and lookup.begun and not lookup.asked_again:
            lookup.asked_again = True
            _start_thread(self._run_again, lookup, self._look_again)

    def _drop_unwanted(self, lookup: _Lookup) -> None:
        if not lookup.waiting and not lookup.begun:
            self._queue.remove(lookup)
            del self._running[lookup.host]

    def _run(self, token: EventLoopToken, lookup: _Lookup) -> None:
        """Look a name up. Runs in a thread, and may outlive the event loop."""
        found: list[TcpAddress] = []
        failed = None
        try:
            found = list(self._look(lookup.host))
        except OSError as error:
            failed = error
        _tell(token, self._end, lookup, found, failed)

    def _run_again(
        self,
        token: EventLoopToken,
        lookup: _Lookup,
        look: Callable[[str], Sequence[TcpAddress]],
    ) -> None:
        """Ask another way. Runs in a thread; whether there are no addresses is for ``_run``."""
        with suppress(OSError):
            found = list(look(lookup.host))
            if found:
                _tell(token, self._settle, lookup, found, None)

    def _settle(self, lookup: _Lookup, found: list[TcpAddress], error: OSError | None) -> None:
        if not lookup.done.is_set():
            lookup.found, lookup.error = found, error
            lookup.done.set()

    def _end(self, lookup: _Lookup, found: list[TcpAddress], error: OSError | None) -> None:
        del self._running[lookup.host]
        self._free += 1
        self._settle(lookup, found, error)
        if self._queue:
            self._begin(self._queue.popleft())


def _start_thread(function: Callable[..., None], *args: object) -> None:
    """Call a function in a daemon thread, with what leads back to this event loop first."""
    daemon = threading.Thread(
        target=function, args=(current_token(), *args), name="lookup", daemon=True
    )
    daemon.start()


def _tell(token: EventLoopToken, function: Callable[..., None], *args: object) -> None:
    """Call a function in the event loop, from a thread."""
    from anyio import from_thread  # where no name is looked up nobody needs it

    with suppress(RuntimeError):  # the event loop has ended
        from_thread.run_sync(function, *args, token=token)


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
