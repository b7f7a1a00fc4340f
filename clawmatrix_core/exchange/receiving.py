"""The receiving side of one end: frames put in order, and read."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from clawmatrix_core.base.bell import Bell
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.exchange.failures import failure_of
from clawmatrix_core.exchange.shares import UNREAD, Share, Shares
from clawmatrix_core.exchange.windows import FRAME_COST, Inbox

if TYPE_CHECKING:
    from clawmatrix_core.base.errors import ExchangeFailure
    from clawmatrix_core.wire.codec import Header
    from clawmatrix_core.wire.frames import Frame

__all__ = ["Receiving"]


class Receiving:
    """Takes the frames of the other end, and gives their payloads to the reader.

    Attributes:
        inbox: what has arrived, and how much more may.
        owes: something arrived that no frame has acknowledged yet.
        failure: the error that ended the direction, None where there was none.
        whole: everything the other end had to say is here, and it was no error.
        ready: payloads that ``read`` returns next, and what each counts.
        released: nobody reads any more; what still comes is dropped unseen.
    """

    __slots__ = (
        "_opened_here",
        "_readable",
        "_share",
        "failure",
        "inbox",
        "owes",
        "ready",
        "released",
        "whole",
    )

    def __init__(self, window: int, *, opened_here: bool, share: Share | None = None) -> None:
        self._share = share or Shares(int(UNREAD)).of(NodeId(""))
        self.inbox: Inbox[Frame] = Inbox(window)
        self.owes = False
        self.failure: ExchangeFailure | None = None
        self.whole = False
        self.released = False
        self._opened_here = opened_here
        self.ready: deque[tuple[Any, int]] = deque()
        self._readable: Bell | None = None

    def __repr__(self) -> str:
        return f"<Receiving {self.inbox!r} ready={len(self.ready)}>"

    def credit(self) -> tuple[int, int]:
        """Return ``ack`` and ``limit`` for a frame that goes out; nothing is owed then."""
        self.owes = False
        return self.inbox.expected, self.inbox.grant()

    # --- frames

    def take(self, frame: Frame) -> bool:
        """Take a numbered frame; True where the other end needs credit at once.

        Raises: RemoteProtocolError.
        """
        header, inbox = frame.header, self.inbox
        cost = frame.size + FRAME_COST
        if not self._share.take(cost):
            if not self._is_awaited(header):
                return False  # as if it were lost: the other end asks after it
            self._share.add(cost)
        before = inbox.used
        try:
            ready = inbox.receive(header.seq, frame, frame.size, fin=header.fin)
        finally:
            if inbox.used == before:  # a repeat, or an error
                self._share.add(-cost)
        if not ready:
            return header.seq < inbox.expected  # a repeat: the acknowledgement was missed
        needed = False
        for item, held in ready:
            needed = self._put(item, held) or needed
        if inbox.ended and self.failure is None:
            self.whole = True
        self.wake()
        return needed

    def _is_awaited(self, header: Header) -> bool:
        """Say whether a frame is taken however much is unread: it does not stay."""
        if header.seq != self.inbox.expected:
            return header.seq < self.inbox.expected
        if self.released or header.type == "error" or self._readable is not None:
            return True
        return header.seq == 0 and not self._opened_here

    def _take(self, cost: int) -> bool:
        self._share.add(-cost)
        return self.inbox.take(cost)

    def _put(self, frame: Frame, cost: int) -> bool:
        """Make a frame in order ready to be read; True where credit is due for it."""
        header = frame.header
        opening = header.seq == 0 and not self._opened_here
        if header.type == "error" and not opening:
            self.inbox.ended = True
            self.failure = failure_of(frame.payload)
        elif self.released or (opening and frame.data is None) or _is_end(frame):
            return self._take(cost)
        elif opening:
            self.ready.append((frame.data, cost))
        elif frame.data is not None:
            self.ready += ((frame.payload, 0), (frame.data, cost))
        else:
            self.ready.append((frame.payload, cost))
        return False

    # --- reading

    def read(self) -> tuple[Any, bool]:
        """Return the next payload, and whether the other end is to get credit for it."""
        payload, cost = self.ready.popleft()
        return payload, self._take(cost) and not self.inbox.ended

    async def wait(self) -> None:
        """Return when there may be something to read, or the direction has ended."""
        if self._readable is None:
            self._readable = Bell()
        await self._readable.wait()

    def wake(self) -> None:
        """Wake the reader."""
        if self._readable is not None:
            self._readable.ring()
            self._readable = None

    # --- ending

    def stop(self) -> None:
        """Take nothing more. What is ready can still be read where it is the whole."""
        self.inbox.ended = True
        if not self.whole:
            self.ready.clear()
            self._take(self.inbox.used - self.inbox.taken)
        self.wake()

    def release(self) -> None:
        """Drop the ready frames and all later ones, as if they were read."""
        self.released = True
        while self.ready:
            self._take(self.ready.popleft()[1])


def _is_end(frame: Frame) -> bool:
    """Return whether a frame only marks the end."""
    return frame.header.fin and frame.payload == b""
