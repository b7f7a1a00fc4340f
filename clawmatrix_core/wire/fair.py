"""Sharing a queue fairly: by the neighbour a message came from, and by its origin behind that.

A relay cannot check who wrote a frame for others, but it knows whose link brought it. So
neighbours share first, and the origins that a neighbour brings share what is the neighbour's:
one that makes up origins takes from itself only. Turns are by bytes, not by messages.
"""

from __future__ import annotations

from collections import deque

__all__ = ["OVERHEAD", "OWN", "FairQueue", "Flow"]

OVERHEAD = 64
"""What a message costs beside its bytes, so that many small ones are bounded too."""

OWN: Flow = ("", "")
"""The flow of what a node sends itself."""

Flow = tuple[str, str]
"""The neighbour that brought a message, and the node that wrote it."""

_QUANTUM = 64 * 1024
"""Bytes each has for its turn."""


class _Line:
    """Messages of one origin, in their order."""

    __slots__ = ("bytes", "credit", "messages")

    def __init__(self) -> None:
        self.messages: deque[bytes] = deque()
        self.bytes = 0
        self.credit = _QUANTUM


class _Share:
    """The lines of one neighbour; the first of the ring has its turn."""

    __slots__ = ("bytes", "credit", "lines", "ring")

    def __init__(self) -> None:
        self.lines: dict[str, _Line] = {}
        self.ring: deque[tuple[str, _Line]] = deque()
        self.bytes = 0
        self.credit = _QUANTUM

    def take(self) -> bytes:
        ring = self.ring
        name, line = ring[0]
        while line.credit <= 0 and len(ring) > 1:
            line.credit += _QUANTUM
            ring.rotate(-1)
            name, line = ring[0]
        message = line.messages.popleft()
        cost = len(message) + OVERHEAD
        line.credit -= cost
        line.bytes -= cost
        self.bytes -= cost
        if not line.messages:
            ring.popleft()
            del self.lines[name]
        return message


class FairQueue:
    """The messages of one lane. Order is kept for each flow, not between them.

    Who has the queue alone may fill it to its limit. With others there each neighbour may
    have its equal part, and each of its origins an equal part of that; one who has nothing in
    the queue gets a message in all the same, so that nobody is shut out by who came first.

    Attributes:
        bytes: what waits, each message's own cost included.
    """

    __slots__ = ("_limit", "_ring", "_shares", "bytes")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._shares: dict[str, _Share] = {}
        self._ring: deque[tuple[str, _Share]] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return sum(len(line.messages) for _, share in self._ring for _, line in share.ring)

    def __bool__(self) -> bool:
        return self.bytes > 0

    def enqueue(self, message: bytes, flow: Flow = OWN) -> bool:
        """Queue a message; False where its flow has its part already."""
        via, origin = flow
        cost = len(message) + OVERHEAD
        share = self._shares.get(via)
        line = share.lines.get(origin) if share is not None else None
        if share is None:
            share = self._shares[via] = _Share()
            self._ring.append((via, share))
        elif not self._fits(share, line, cost):
            return False
        if line is None:
            line = share.lines[origin] = _Line()
            share.ring.append((origin, line))
        line.messages.append(message)
        line.bytes += cost
        share.bytes += cost
        self.bytes += cost
        return True

    def _fits(self, share: _Share, line: _Line | None, cost: int) -> bool:
        part = self._limit // len(self._shares)
        if line is None:
            return share.bytes + cost <= 2 * part  # it may be late, but not without end
        return share.bytes + cost <= part and line.bytes + cost <= part // len(share.lines)

    def take(self) -> bytes:
        """Return the message whose turn it is. Call only where something waits."""
        ring = self._ring
        via, share = ring[0]
        while share.credit <= 0 and len(ring) > 1:
            share.credit += _QUANTUM
            ring.rotate(-1)
            via, share = ring[0]
        message = share.take()
        cost = len(message) + OVERHEAD
        share.credit -= cost
        self.bytes -= cost
        if not share.ring:
            ring.popleft()
            del self._shares[via]
        return message

    def has_space(self) -> bool:
        """Say whether this node's own part is less than half full."""
        own = self._shares.get(OWN[0])
        if own is None:
            return True
        return own.bytes * 2 <= self._limit // len(self._shares)
