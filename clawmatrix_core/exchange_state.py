"""The two halves of an exchange's direction, as pure state: what is kept, what is due.

Rules, all in this file: frames are numbered from 0 in each direction; the receiving half
puts them in order and drops repeats; the sending half keeps each frame until it is
acknowledged, and sends no byte past the limit the receiver gave. Nothing here awaits,
reads a clock or touches a socket.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import attrs

from clawmatrix_core.errors import RemoteProtocolError

__all__ = ["FRAME_COST", "WINDOW", "Inbox", "Outbox", "Outgoing"]

T = TypeVar("T")

WINDOW = 256 * 1024
"""Bytes a direction may carry before the receiver must have given more credit."""

FRAME_COST = 64
"""Bytes each frame counts beside its payload, so that empty frames are bounded too."""


@attrs.frozen(slots=True, eq=False)
class Outgoing:
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

    __slots__ = ("_kept", "acked", "closed", "cursor", "limit", "next_seq", "used")

    def __init__(self, limit: int = WINDOW) -> None:
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
        """Bytes of payload that one more frame may have; not above 0 means: wait."""
        return self.limit - self.used - FRAME_COST

    def push(self, type_: str, kind: bytes, payload: bytes, *, fin: bool = False) -> None:
        """Add a frame. The caller has looked at ``room``, or ends the direction."""
        self._kept.append(Outgoing(self.next_seq, type_, kind, payload, fin))
        self.next_seq += 1
        self.used += len(payload) + FRAME_COST
        self.closed = self.closed or fin

    def due(self) -> Outgoing | None:
        """Return the frame to put on the wire next; then call ``advance``."""
        index = self.cursor - self.acked
        return self._kept[index] if index < len(self._kept) else None

    def advance(self) -> None:
        """Note that the frame that was due went out."""
        self.cursor += 1

    def rewind(self) -> bool:
        """Make every frame due that has not been acknowledged; False if there is none."""
        self.cursor = self.acked
        return bool(self._kept)

    def credit(self, ack: int, limit: int) -> bool:
        """Take an acknowledgement and a limit; True if either is news.

        Raises: RemoteProtocolError, where it acknowledges what was never sent.
        """
        if ack > self.next_seq:
            raise RemoteProtocolError(f"frame {ack - 1} acknowledged, but not sent", reason="ack")
        news = ack > self.acked or limit > self.limit
        for _ in range(ack - self.acked):
            self._kept.popleft()
        self.acked = max(ack, self.acked)
        self.cursor = max(self.cursor, self.acked)
        self.limit = max(limit, self.limit)
        return news

    def abandon(self) -> None:
        """Drop what is kept, as if it had arrived; a closing frame may be pushed after."""
        self._kept.clear()
        self.acked = self.cursor = self.next_seq


class Inbox(Generic[T]):
    """The receiving half of a direction.

    Attributes:
        expected: the number of the next frame in order; all below have arrived.
        taken: bytes the reader has taken.
        ended: True once the last frame has arrived in order.
    """

    __slots__ = ("_announced", "_held", "_window", "ended", "expected", "repeats", "taken", "used")

    def __init__(self, window: int = WINDOW) -> None:
        self.expected = self.taken = self.used = self.repeats = 0
        self.ended = False
        self._window = window
        self._announced = window
        self._held: dict[int, tuple[T, int, bool]] = {}

    def __repr__(self) -> str:
        state = "ended" if self.ended else "open"
        return f"<Inbox {state} expected={self.expected} held={len(self._held)} taken={self.taken}>"

    def receive(self, seq: int, item: T, size: int, *, fin: bool) -> list[tuple[T, int]]:
        """Take a frame; return what is now in order, each with the bytes it counts.

        A repeat gives nothing. Raises: RemoteProtocolError past the limit that was given.
        """
        if seq < self.expected or seq in self._held or self.ended:
            self.repeats += 1
            return []
        cost = size + FRAME_COST
        self.used += cost
        # The frame that ends a direction may pass the limit: an error has to get through.
        if self.used > self._announced + FRAME_COST and not fin:
            raise RemoteProtocolError(
                f"{self.used} bytes in an exchange, the limit is {self._announced}", reason="window"
            )
        if seq != self.expected:
            self._held[seq] = (item, cost, fin)
            return []
        ready = [(item, cost)]
        self.expected += 1
        self.ended = fin
        while self._held and not self.ended and self.expected in self._held:
            item, cost, fin = self._held.pop(self.expected)
            ready.append((item, cost))
            self.expected += 1
            self.ended = fin
        return ready

    def take(self, cost: int) -> bool:
        """Note that the reader took this many bytes; True when it is time to say so."""
        self.taken += cost
        return self.taken + self._window - self._announced >= self._window // 4

    def announce(self) -> int:
        """Return the limit to tell the sender, and hold it to that."""
        self._announced = self.taken + self._window
        return self._announced
