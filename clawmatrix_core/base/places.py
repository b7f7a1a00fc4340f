"""Places for connections that come in: how many there are, and who gets the next one.

Everybody gets a place while few are taken. After that no address has many strangers at a time,
the last places are for addresses that proved themselves before, and where there is no place the
stranger that has waited longest goes, of the address that has the most. So a crowd keeps out
nobody, and neither does one address that many share (a proxy, a NAT).
"""

from __future__ import annotations

import ipaddress
import resource
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias

import attrs

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.base.ip import read_ip

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KNOWN", "MOST", "STRANGERS", "Place", "Places", "source_of"]

MOST = Bound(
    4096,
    "connections at one port; no more than half the descriptors of the process",
    fed_by="a stranger",
    when_full="the new connection is closed, and the stranger that has waited longest with it",
)
STRANGERS = Bound(
    512,
    "connections at one port that have not proved themselves",
    fed_by="a stranger",
    when_full="the one that has waited longest is closed, of the address that has the most",
)
KNOWN = Bound(
    4096,
    "addresses at one port that proved themselves before",
    fed_by="a member or a client",
    when_full="the one that did so longest ago is forgotten",
)


def source_of(remote: str) -> str:
    """Return what connections from one place have in common: a host, or an IPv6 network."""
    host = remote.rpartition(":")[0] or remote
    address = read_ip(host.strip("[]"))
    if address is None:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))


@attrs.define(eq=False)
class Place:
    """One connection's place.

    Attributes:
        source: where it comes from, as ``source_of`` says.
        cut: closes the connection.
        proved: whether its other end has shown the secret or the token.
    """

    source: str
    cut: Callable[[], None] = attrs.field(repr=False)
    proved: bool = False


class _Crowd:
    """Strangers, by where they come from, each source in order of coming."""

    def __init__(self) -> None:
        self._sources: dict[str, dict[Place, None]] = {}
        self._by_size: dict[int, dict[str, None]] = {}
        self._largest = 0
        self.size = 0

    def of(self, source: str) -> int:
        return len(self._sources.get(source, ()))

    def add(self, place: Place) -> None:
        places = self._sources.setdefault(place.source, {})
        self._move(place.source, len(places), len(places) + 1)
        places[place] = None
        self.size += 1

    def remove(self, place: Place) -> bool:
        """Remove a place, and say whether it was there."""
        places = self._sources.get(place.source, {})
        if place not in places:
            return False
        self._move(place.source, len(places), len(places) - 1)
        del places[place]
        self.size -= 1
        if not places:
            del self._sources[place.source]
        return True

    def oldest(self, source: str | None = None) -> Place | None:
        """Return the oldest of a source, or of the source that has the most."""
        if not self.size:
            return None
        chosen = next(iter(self._by_size[self._largest])) if source is None else source
        return next(iter(self._sources[chosen]))

    def _move(self, source: str, before: int, after: int) -> None:
        # Sizes change by one, so the largest is found without a look at all sources.
        if before:
            self._by_size[before].pop(source)
        if after:
            self._by_size.setdefault(after, {})[source] = None
        if after > self._largest or not self._by_size.get(self._largest):
            self._largest = after
        if before and not self._by_size[before]:
            del self._by_size[before]


class Places:
    """The places at one port.

    Args:
        refused: told of each connection that is refused, or closed for another one: its source,
            and a short word for why.
        most: how many there are; as many as ``MOST`` says where it is None.
        strangers: how many of them those may have that have not proved themselves.

    ``Taken`` is the class of one place, and ``source_of(remote)`` says where a connection comes
    from.

    Attributes:
        refuse: the function that is told.
    """

    Taken: TypeAlias = Place
    source_of = staticmethod(source_of)

    def __init__(
        self,
        refused: Callable[[str, str], None],
        *,
        most: int | None = None,
        strangers: int = STRANGERS,
    ) -> None:
        self._most = most or _fitting(MOST)
        self._strangers_most = max(1, min(strangers, self._most // 2))
        self.refuse = refused
        self._by_descriptor: dict[int, Place] = {}
        self._strangers = _Crowd()
        self._known: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_descriptor)

    def __repr__(self) -> str:
        return f"<Places {len(self)} of {self._most} taken, {self.strangers} by strangers>"

    @property
    def strangers(self) -> int:
        """How many connections have not proved themselves."""
        return self._strangers.size

    def enter(self, descriptor: int, source: str, cut: Callable[[], None]) -> Place | None:
        """Give a new connection a place, None where it is to be closed.

        Args:
            descriptor: the number of its socket.
            source: where it comes from.
            cut: closes it, where another one needs the place.
        """
        if not self._has_room(descriptor, source):
            self.refuse(source, "too_many_connections")
            return None
        place = self._by_descriptor[descriptor] = Place(source, cut)
        self._strangers.add(place)
        return place

    def find(self, descriptor: int) -> Place | None:
        """Return the place of an open socket."""
        return self._by_descriptor.get(descriptor)

    def move(self, place: Place, source: str) -> None:
        """Count a connection for another source: the proxy that it came by says who it is."""
        if source != place.source:
            stranger = self._strangers.remove(place)
            place.source = source
            if stranger:
                self._strangers.add(place)

    def prove(self, place: Place) -> None:
        """Note that the other end of a connection has proved itself."""
        place.proved = True
        self._strangers.remove(place)
        self._known[place.source] = None
        self._known.move_to_end(place.source)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)

    def leave(self, descriptor: int) -> None:
        """Give a place back, as its socket is closed. Idempotent."""
        place = self._by_descriptor.pop(descriptor, None)
        if place is not None:
            self._strangers.remove(place)

    def _has_room(self, descriptor: int, source: str) -> bool:
        """Say whether a connection may come in; a stranger may be closed for it."""
        soft = _descriptors()
        if len(self) >= self._most or descriptor >= soft - soft // 8:
            self._close_one(None)
            return False  # a closed socket has its descriptor a moment longer
        taken, places = self._strangers.size, self._strangers_most
        if taken >= places:
            return self._close_one(None)
        if source in self._known:
            return True
        if taken >= places - places // 4 or descriptor >= soft - soft // 4:
            return self._close_one(None)
        if taken >= places // 2 and self._strangers.of(source) >= max(1, places // 8):
            return self._close_one(source)
        return True

    def _close_one(self, source: str | None) -> bool:
        place = self._strangers.oldest(source)
        if place is None:
            return False
        self._strangers.remove(place)
        self.refuse(place.source, "too_many_connections")
        place.cut()
        return True


def _descriptors() -> int:
    """Return how many descriptors the process may have open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft


def _fitting(most: int) -> int:
    return max(1, min(most, _descriptors() // 2))
