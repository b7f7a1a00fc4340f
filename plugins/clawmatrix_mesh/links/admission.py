"""How many connections may be in a handshake at a time, and which were refused lately."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

import anyio
import msgspec

from clawmatrix_core import Bound
from clawmatrix_core.spi import Places

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Doorway", "RefusedConnection", "RefusedConnections", "Visitor", "source_of"]

source_of = Places.source_of

REMEMBERED = Bound(
    32,
    "sources of refused connections that the status shows, one for each source and reason",
    fed_by="a stranger",
    when_full="the one that is longest ago makes room",
)


class Visitor(msgspec.Struct, eq=False):
    """A connection that has not proved itself. Its handshake runs in ``scope``."""

    source: str
    scope: anyio.CancelScope = msgspec.field(default_factory=anyio.CancelScope)
    evicted: bool = False


class Doorway:
    """Holds a bounded number of visitors, shared fairly between where they come from.

    When it is full, the one that has been waiting longest goes, of the source that has the
    most: a crowd from one place makes room for the others, and for the next of its own.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._visitors: dict[Visitor, None] = {}

    def __len__(self) -> int:
        return len(self._visitors)

    def enter(self, source: str) -> Visitor:
        """Take a visitor in; another one may be evicted for it. Call ``leave`` in the end."""
        if len(self._visitors) >= self._limit:
            self._evict()
        visitor = Visitor(source)
        self._visitors[visitor] = None
        return visitor

    def leave(self, visitor: Visitor) -> None:
        """Let a visitor go, whether it has proved itself or not. Idempotent."""
        self._visitors.pop(visitor, None)

    def _evict(self) -> None:
        [(busiest, _)] = Counter(visitor.source for visitor in self._visitors).most_common(1)
        oldest = next(visitor for visitor in self._visitors if visitor.source == busiest)
        self.leave(oldest)
        oldest.evicted = True
        oldest.scope.cancel()


class RefusedConnection(msgspec.Struct):
    """Connections from one source, refused for one reason. ``last`` is wall-clock seconds."""

    remote: str
    reason: str
    message: str
    last: float
    count: int = 0


class RefusedConnections:
    """The connections that were refused last, for status."""

    def __init__(self) -> None:
        self._by_source: OrderedDict[tuple[str, str], RefusedConnection] = OrderedDict()

    def add(self, remote: str, reason: str, message: str, wall: float) -> None:
        """Remember one; the one that is longest ago makes room."""
        key = (source_of(remote), reason)
        known = self._by_source.setdefault(key, RefusedConnection(remote, reason, message, wall))
        known.remote, known.message, known.last = remote, message, wall
        known.count += 1
        self._by_source.move_to_end(key)
        if len(self._by_source) > REMEMBERED:
            self._by_source.popitem(last=False)

    def latest(self) -> Iterable[RefusedConnection]:
        """Return them, the latest first."""
        return reversed(self._by_source.values())
