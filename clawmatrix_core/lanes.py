"""The bounded queues in which a link's messages wait, by lane."""

from __future__ import annotations

from collections import deque

from clawmatrix_core.frames import Lane

__all__ = ["LANE_BYTES", "LaneQueue"]

LANE_BYTES = {Lane.CONTROL: 1024 * 1024, Lane.INTERACTIVE: 1024 * 1024, Lane.BULK: 512 * 1024}
"""Bytes that may wait in each lane of a link."""

_BULK_SHARE = 8
"""After this many interactive messages in a row, a bulk message has its turn."""

_OVERHEAD = 64
"""What a message costs beside its bytes, so that many small ones are bounded too."""


class LaneQueue:
    """Messages waiting for one link: control first, then interactive, bulk when idle.

    Bulk gets one turn in nine while interactive messages keep coming, so that it is slow
    but never stopped. Order within a lane is kept.
    """

    __slots__ = ("_bytes", "_limits", "_queues", "_run")

    def __init__(self, limits: dict[Lane, int] | None = None) -> None:
        chosen = limits or LANE_BYTES
        self._limits = [chosen[lane] for lane in Lane]
        self._queues: tuple[deque[bytes], ...] = tuple(deque() for _ in Lane)
        self._bytes = [0, 0, 0]
        self._run = 0

    def __repr__(self) -> str:
        waiting = ", ".join(f"{lane.name.lower()}={len(self._queues[lane])}" for lane in Lane)
        return f"<LaneQueue {waiting}>"

    def __len__(self) -> int:
        return sum(map(len, self._queues))

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait in all lanes, each message's own cost included."""
        return sum(self._bytes)

    def offer(self, message: bytes, lane: int) -> bool:
        """Queue a message; False where the lane is full. An empty lane takes any message."""
        cost = len(message) + _OVERHEAD
        waiting = self._bytes[lane]
        if waiting and waiting + cost > self._limits[lane]:
            return False
        self._bytes[lane] = waiting + cost
        self._queues[lane].append(message)
        return True

    def pop(self) -> bytes | None:
        """Take the message whose turn it is; None where nothing waits."""
        control, interactive, bulk = self._queues
        if control:
            return self._take(control, 0)
        if interactive and not (bulk and self._run >= _BULK_SHARE):
            self._run += 1
            return self._take(interactive, 1)
        self._run = 0
        return self._take(bulk, 2) if bulk else None

    def has_space(self, lane: int) -> bool:
        """Say whether the lane is less than half full, the time to wake who waits."""
        return self._bytes[lane] * 2 <= self._limits[lane]

    def _take(self, queue: deque[bytes], lane: int) -> bytes:
        message = queue.popleft()
        self._bytes[lane] -= len(message) + _OVERHEAD
        return message
