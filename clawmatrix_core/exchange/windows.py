"""The two halves of an exchange's direction, as pure state: frames that are kept, and are due.

Rules, all in this file: frames are numbered from 0 in each direction; the receiving half
puts them in order and drops repeats; the sending half keeps each frame until it is
acknowledged, and sends no byte past the limit the receiver gave. Nothing here awaits,
reads a clock or touches a socket.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import msgspec

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.base.errors import RemoteProtocolError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.exchange.shares import UNACKED, Share, Shares
from clawmatrix_core.wire.codec import CHUNK

__all__ = ["FRAME_COST", "KEPT", "WINDOW", "Inbox", "Outbox", "Outgoing"]

T = TypeVar("T")

WINDOW = Bound(
    256 * 1024,
    "bytes in one direction of an exchange that nobody has read",
    fed_by="a member",
    when_full="the exchange ends with an error",
)
"""Bytes a direction may carry before the receiver has given more credit; both ends know it."""

KEPT = Bound(
    4 * 1024 * 1024,
    "bytes in one direction of an exchange that were sent and are kept until they are acknowledged",
    fed_by="a member",
    when_full="the sender waits, whatever limit the receiver gives",
)

FRAME_COST = 64
"""Bytes each frame counts beside its payload, so that empty frames are bounded too."""


_KEPT = int(KEPT)


class Outgoing(msgspec.Struct, frozen=True, eq=False):
    """A frame of the sending half: kept until acknowledged."""

    seq: int
    type: str
    kind: bytes
    payload: bytes
    fin: bool


class Outbox:
    """The sending half of a direction.

    Attributes:
        next_seq: the number of the next frame pushed.
        acked: frames below this number have arrived.
        cursor: the number of the next frame to put on the wire.
        limit: bytes the receiver takes, counted from the start.
        used: bytes pushed so far.
        closed: True once the last frame is pushed.
    """

    __slots__ = (
        "_arrived",
        "_kept",
        "_share",
        "acked",
        "closed",
        "cursor",
        "limit",
        "next_seq",
        "used",
    )

    def __init__(self, limit: int = int(WINDOW), share: Share | None = None) -> None:
        self._share = share or Shares(int(UNACKED)).of(NodeId(""))
        self._arrived = 0  # bytes of frames that are acknowledged
        self.next_seq = self.acked = self.cursor = self.used = 0
        self.limit = limit
        self.closed = False
        self._kept: deque[Outgoing] = deque()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return (
            f"<Outbox {state} acked={self.acked} cursor={self.cursor} next={self.next_seq}"
            f" used={self.used}/{self.limit}>"
        )

    @property
    def settled(self) -> bool:
        """True once everything, the last frame too, has arrived."""
        return self.closed and self.acked == self.next_seq

    @property
    def unacked(self) -> int:
        """How many frames are kept."""
        return len(self._kept)

    def room(self) -> int:
        """Bytes of payload that one more frame may have; below 0 not even an empty one fits."""
        return min(self.limit, self._arrived + _KEPT) - self.used - FRAME_COST

    def takes(self, size: int) -> bool:
        """Say whether there is room for a payload, and memory to keep it; one is always kept."""
        if self.room() < size:
            return False
        return not self._kept or self._share.admits(size + FRAME_COST)

    def push(self, type_: str, kind: bytes, payload: bytes, *, fin: bool = False) -> None:
        """Add a frame. The caller has looked at ``room``, or ends the direction."""
        self._kept.append(Outgoing(self.next_seq, type_, kind, payload, fin))
        self.next_seq += 1
        cost = len(payload) + FRAME_COST
        self.used += cost
        self._share.add(cost)
        self.closed = self.closed or fin

    def due(self) -> Outgoing | None:
        """Return the frame to put on the wire next; then call ``advance``."""
        index = self.cursor - self.acked
        return self._kept[index] if index < len(self._kept) else None

    def advance(self) -> None:
        """Note that the frame that was due goes out."""
        self.cursor += 1

    def retreat(self, seq: int) -> None:
        """Make a frame due again, and those behind it; acknowledged ones stay as they are."""
        self.cursor = max(self.acked, min(self.cursor, seq))

    def rewind(self) -> None:
        """Make every frame due that has not been acknowledged."""
        self.cursor = self.acked

    def credit(self, ack: int, limit: int) -> None:
        """Take an acknowledgement and a limit; older ones change nothing.

        Raises: RemoteProtocolError, where it acknowledges a frame that was never sent.
        """
        if ack > self.next_seq:
            raise RemoteProtocolError(f"frame {ack - 1} acknowledged, but not sent", reason="ack")
        if ack > self.acked:
            arrived = 0
            for _ in range(ack - self.acked):
                arrived += len(self._kept.popleft().payload) + FRAME_COST
            self._arrived += arrived
            self._share.add(-arrived)
            self.acked = ack
            self.cursor = max(self.cursor, ack)
        if limit > self.limit:
            self.limit = limit

    def abandon(self) -> None:
        """Drop the kept frames, as if they had arrived, and close; a last frame may follow."""
        self._kept.clear()
        self._share.add(self._arrived - self.used)
        self._arrived = self.used
        self.acked = self.cursor = self.next_seq
        self.closed = True


class Inbox(Generic[T]):
    """The receiving half of a direction.

    Attributes:
        expected: the number of the next frame in order; all below have arrived.
        taken: bytes the reader has taken.
        used: bytes that arrived.
        ended: True once the last frame has arrived in order.
    """

    __slots__ = ("_granted", "_held", "_last", "_window", "ended", "expected", "taken", "used")

    def __init__(self, window: int = int(WINDOW)) -> None:
        self.expected = self.taken = self.used = 0
        self.ended = False
        self._window = window
        self._granted = window
        self._held: dict[int, tuple[T, int]] = {}
        self._last: int | None = None

    def __repr__(self) -> str:
        state = "ended" if self.ended else "open"
        return f"<Inbox {state} expected={self.expected} held={len(self._held)} taken={self.taken}>"

    def receive(self, seq: int, item: T, size: int, *, fin: bool) -> list[tuple[T, int]]:
        """Take a frame; return the frames now in order, each with its counted bytes.

        A repeat gives nothing. Raises: RemoteProtocolError past the limit that was given, or
        behind the frame that ended the direction.
        """
        held = self._held
        if seq < self.expected or seq in held or self.ended:
            return []
        cost = size + FRAME_COST
        self._check(seq, cost, fin=fin)
        self.used += cost
        if seq != self.expected:
            held[seq] = (item, cost)
            return []
        ready = [(item, cost)]
        self.expected += 1
        while held and self.expected in held:
            ready.append(held.pop(self.expected))
            self.expected += 1
        self.ended = self._last is not None and self.expected > self._last
        return ready

    def _check(self, seq: int, cost: int, *, fin: bool) -> None:
        if cost > CHUNK + FRAME_COST:
            raise RemoteProtocolError(f"a frame of {cost} bytes", reason="too_large")
        if fin and (self._last is not None or any(held > seq for held in self._held)):
            raise RemoteProtocolError(f"frame {seq} is not the last one", reason="fin")
        if self._last is not None and seq > self._last:
            raise RemoteProtocolError(f"frame {seq}, but {self._last} was the last", reason="fin")
        if fin:
            self._last = seq
        # The frame that ends a direction may pass the limit: an error has to get through.
        elif self.used + cost > self._granted:
            raise RemoteProtocolError(
                f"{self.used + cost} bytes in an exchange, the limit is {self._granted}",
                reason="window",
            )

    def take(self, cost: int) -> bool:
        """Note that the reader took this many bytes; True when it is time to say so."""
        self.taken += cost
        return self.taken + self._window - self._granted >= self._window // 4

    def grant(self) -> int:
        """Give the sender a new limit, which it is held to from now on; return it."""
        self._granted = self.taken + self._window
        return self._granted
