"""The bounded queues in which a link's messages wait, by lane."""

from __future__ import annotations

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.wire.codec import Lane
from clawmatrix_core.wire.fair import OWN, FairQueue, Flow

__all__ = ["BULK_LANE", "LANE", "LANE_BYTES", "LaneQueue"]

LANE = Bound(
    1024 * 1024,
    "bytes that wait in the control lane of a link, and in the interactive one",
    fed_by="a member",
    when_full="a frame of whoever has his share there already waits, or is dropped by a relay",
)
BULK_LANE = Bound(
    512 * 1024,
    "bytes that wait in the bulk lane of a link",
    fed_by="a member",
    when_full="as in the other lanes",
)
LANE_BYTES = {Lane.CONTROL: int(LANE), Lane.INTERACTIVE: int(LANE), Lane.BULK: int(BULK_LANE)}
"""Bytes that may wait in each lane of a link. One message of any size fits into an empty lane."""

_BULK_SHARE = 8
"""After this many interactive messages in a row, a bulk message has its turn."""


class LaneQueue:
    """Messages waiting for one link: control first, then interactive, bulk when idle.

    Bulk gets one turn in nine while interactive messages keep coming, so that it is slow
    but never stopped. Within a lane each flow has its fair share, and keeps its order.
    """

    __slots__ = ("_queues", "_run")

    def __init__(self, limits: dict[Lane, int] | None = None) -> None:
        chosen = limits or LANE_BYTES
        self._queues = tuple(FairQueue(chosen[lane]) for lane in Lane)
        self._run = 0

    def __repr__(self) -> str:
        waiting = ", ".join(f"{lane.name.lower()}={len(self._queues[lane])}" for lane in Lane)
        return f"<LaneQueue {waiting}>"

    def __len__(self) -> int:
        return sum(map(len, self._queues))

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait in all lanes, each message's own cost included."""
        return sum(queue.bytes for queue in self._queues)

    def enqueue(self, message: bytes, lane: int, flow: Flow = OWN) -> bool:
        """Queue a message; False where its flow has its share of the lane already.

        A flow that has nothing in the lane gets a message of any size in.
        """
        return self._queues[lane].enqueue(message, flow)

    def pop(self) -> bytes | None:
        """Take the message whose turn it is; None where nothing waits."""
        control, interactive, bulk = self._queues
        if control.bytes:
            return control.take()
        if interactive.bytes and not (bulk.bytes and self._run >= _BULK_SHARE):
            self._run += 1
            return interactive.take()
        self._run = 0
        return bulk.take() if bulk.bytes else None

    def has_space(self, lane: int) -> bool:
        """Say whether this node's share of a lane is less than half full: time to wake waiters."""
        return self._queues[lane].has_space()
