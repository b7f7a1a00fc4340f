"""One end of an exchange, below what reads and writes it: frames in, frames out, time.

How an exchange survives: what was not acknowledged is kept and sent again; whoever waits
for the other end asks it, when it is silent, what arrived (``probe``, answered by a ``credit``
with ``fin``); a node that knows no such exchange says so (``unknown``). That may only mean
that the opening frame is late; with ``fin`` it means that the exchange is gone: it answers a
probe with ``fin``, whose writer has had a sign that the exchange was known. How it ends: both
directions are finished and acknowledged; or one end gives up and tells the other
(``cancel``); or the other end is out of reach for too long.
"""

from __future__ import annotations

import math
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any

from clawmatrix_core.base.errors import (
    DeadlineExceeded,
    ExchangeCancelled,
    ExchangeError,
    LocalProtocolError,
    PeerLost,
    Undeliverable,
)
from clawmatrix_core.base.node_id import NAME_LIMIT, NodeId
from clawmatrix_core.exchange.failures import failure_of
from clawmatrix_core.exchange.state import Inbox, Outbox

if TYPE_CHECKING:
    import anyio

    from clawmatrix_core.exchange.exchanges import Exchanges
    from clawmatrix_core.wire.codec import Lane
    from clawmatrix_core.wire.frames import Frame

__all__ = ["End", "Outcome"]


class Outcome(Enum):
    """What became of a frame that was to be sent."""

    SENT = "sent"
    NO_ROUTE = "no route"
    NO_SESSION = "no session yet"
    CONGESTED = "congested"


class End:
    """One end of an exchange; ``Exchange`` adds what its user calls.

    Attributes:
        id: the same at both ends.
        peer: the node at the other end.
        type: the type of the opening frame.
        initiated: True at the end that opened it.
        instance: the instance of the peer that has, or may have, the opening frame.
        lane: the lane of its frames.
        owes: something came that no frame has acknowledged yet.
    """

    def __init__(
        self, table: Exchanges, id_: str, peer: NodeId, type_: str, *, initiated: bool, lane: Lane
    ) -> None:
        if not 0 < len(type_) <= NAME_LIMIT:
            raise LocalProtocolError(f"a type has 1 to {NAME_LIMIT} characters: {type_!r}")
        self.id = id_
        self.peer = peer
        self.type = type_
        self.initiated = initiated
        self.instance = None if initiated else table.instance_of(peer)
        self._table = table
        self.lane = lane
        self._outbox = Outbox()
        self._inbox: Inbox[Frame] = Inbox(table.limits.window)
        self._ready: deque[tuple[Any, int]] = deque()  # payloads, and what each counts
        self._opened = False  # the opening frame has left this node, whatever relays say of it
        self._copies = 0  # of the opening frame, that no relay has said it dropped
        self._error: ExchangeError | None = None
        self._whole = False  # all that the other side had to say is here, and was no error
        self._given_up = False  # at either end
        self._released = False  # nobody reads or writes any more
        self._readable: anyio.Event | None = None
        self._writable: anyio.Event | None = None
        self._handler: anyio.CancelScope | None = None
        self._deadline: float | None = None
        now = table.now()
        self._heard = self._asked = now
        self._trouble_since: float | None = None  # no way to the peer since then, nothing heard
        self._in_trouble = False  # and what was tried last did not get away either
        self._doubted = False  # the peer may have forgotten the exchange
        self.owes = False

    def __repr__(self) -> str:
        way = "to" if self.initiated else "from"
        state = (
            f"failed: {self._error}" if self._error else "released" if self._released else "open"
        )
        return (
            f"<Exchange {self.type} {way} {self.peer} {self.id} {state}"
            f" {self._outbox!r} {self._inbox!r}>"
        )

    @property
    def key(self) -> tuple[NodeId, str, bool]:
        """What frames from the other end are found by: its id, ours, and the direction."""
        return (self.peer, self.id, self.initiated)

    @property
    def may_have_begun(self) -> bool:
        """Whether the far side can have seen the opening frame."""
        return not self.initiated or self._opened

    @property
    def may_be_there(self) -> bool:
        """Whether the run that the opening frame was sent to has it, if relays tell the truth.

        Enough to ask that node's next run, but not to say that nothing can have begun.
        """
        return not self.initiated or self._copies > 0

    @property
    def over(self) -> bool:
        """True once neither end has to tell the other anything more."""
        return self._inbox.ended and self._outbox.settled

    @property
    def clean(self) -> bool:
        """True where everything the other side sent has arrived."""
        return self._inbox.ended and not self._given_up

    @property
    def received(self) -> int:
        """How many frames have arrived in order."""
        return self._inbox.expected

    @property
    def finished(self) -> bool:
        """True once this side has sent its last frame."""
        return self._outbox.closed

    def allow(self, seconds: float) -> None:
        """Set the deadline, counted from now."""
        self._deadline = self._table.now() + seconds

    # --- frames to the other end

    def flush(self) -> None:
        """Put on the wire what is due, as far as route, session and lane allow."""
        outbox = self._outbox
        while (item := outbox.due()) is not None:
            opening = self.initiated and item.seq == 0
            if opening and not self._same_instance():
                return
            # Counted before it is sent: the answer of this very node comes before it was.
            outbox.advance()
            left, self._opened = self._opened, self._opened or opening
            self._copies += opening
            outcome = self._table.transmit(
                self.peer,
                item.type,
                self.id,
                item.kind,
                item.payload,
                seq=item.seq,
                re=not self.initiated,
                fin=item.fin,
                ack=self._inbox.expected,
                limit=self._inbox.announce(),
                deadline=self._milliseconds_left() if opening else 0,
                lane=self.lane,
            )
            if outcome is not Outcome.SENT:
                self._opened = left
                self._copies -= opening
                outbox.retreat(item.seq)
                self._blocked(outcome)
                return
            self._in_trouble = self.owes = False

    def _same_instance(self) -> bool:
        # The opening frame goes to one instance only: one that has it may have begun.
        instance = self._table.instance_of(self.peer)
        if instance is None:
            return True  # it will not go anywhere before there is a session
        if self._copies and instance != self.instance:
            self.abort(PeerLost(f"{self.peer} restarted"))
            return False
        self.instance = instance
        return True

    def _blocked(self, outcome: Outcome) -> None:
        if outcome is Outcome.CONGESTED:
            self._in_trouble = False
            self._table.when_space(self.peer, self.lane, self.flush)
        else:
            self.unroutable(self._table.now())

    def _milliseconds_left(self) -> int:
        if self._deadline is None:
            return 0
        # Rounded up, so that the end which set the deadline is the first to see it pass.
        return max(1, math.ceil((self._deadline - self._table.now()) * 1000))

    def _send_credit(self, *, answer: bool = False) -> None:
        self._control("credit", fin=answer)

    def acknowledge(self) -> None:
        """Send what is owed in a frame of its own."""
        self._send_credit()

    def acknowledgement(self) -> tuple[str, bool, int, int]:
        """Return what is owed, to go in a frame with others: id, ``re``, ``ack``, ``limit``."""
        self.owes = False
        return (self.id, not self.initiated, self._inbox.expected, self._inbox.announce())

    def _control(self, type_: str, *, fin: bool = False) -> Outcome:
        # Numbered as the frame that comes next: a relay that cannot pass it on reports the
        # number, and it must not be taken for the opening frame's.
        self.owes = False
        return self._table.transmit(
            self.peer,
            type_,
            self.id,
            b"j",
            b"",
            seq=self._outbox.next_seq,
            re=not self.initiated,
            fin=fin,
            ack=self._inbox.expected,
            limit=self._inbox.announce(),
            lane=self.lane,
        )

    # --- frames of the other end

    def on_frame(self, frame: Frame) -> None:
        """Take a frame of the other end. Raises: RemoteProtocolError."""
        header = frame.header
        self._hear(header.ack, header.limit)
        match header.type:
            case "credit":
                if header.fin:  # the answer to a probe: what it lacks was lost
                    self._table.note_lost(self._outbox.cursor - self._outbox.acked)
                    self._outbox.rewind()
            case "probe":
                self._send_credit(answer=True)
            case "unknown":
                self._on_unknown(gone=header.fin)
            case "cancel":
                self._on_cancel(header.seq)
            case _:
                self._on_sequenced(frame)
        if header.type != "unknown":
            self._doubted = False
            self.flush()
        self._go_on()

    def on_credit(self, ack: int, limit: int) -> None:
        """Take an acknowledgement that came with others. Raises: RemoteProtocolError."""
        self._hear(ack, limit)
        self._doubted = False
        self.flush()
        self._go_on()

    def _hear(self, ack: int, limit: int) -> None:
        outbox = self._outbox
        before = outbox.acked
        outbox.credit(ack, limit)
        self._heard = self._table.now()
        if outbox.acked > before or outbox.cursor == outbox.acked:
            # Else what was sent may be lost, however much is heard: that must not put off asking.
            self._asked = self._heard
        self._trouble_since, self._in_trouble = None, False

    def _go_on(self) -> None:
        if self._writable is not None and self._outbox.room() >= 0:
            self._wake_writer()
        self._settle()

    def _on_sequenced(self, frame: Frame) -> None:
        header = frame.header
        ready = self._inbox.receive(header.seq, frame, frame.size, fin=header.fin)
        credit = not ready and header.seq < self._inbox.expected  # a repeat: it was missed
        for item, cost in ready:
            credit = self._arrived(item, cost) or credit
        if self._inbox.ended and self._error is None:
            self._whole = True
        if credit:
            self._send_credit()
        elif self._inbox.ended and ready:
            # The last frame: its acknowledgement goes with the answer, or with others.
            self.owes = True
            self._table.acknowledgements.owe(self)
        if ready:
            self._wake_reader()

    def _arrived(self, frame: Frame, cost: int) -> bool:
        """Take a frame in order; True where credit is due for it."""
        kind = frame.header.type
        opening = not self.initiated and frame.header.seq == 0
        if kind == "error" and not opening:
            self._inbox.ended = True
            self._fail(failure_of(frame.payload))
        elif self._released or (opening and frame.data is None) or _is_end(frame):
            return self._inbox.take(cost)
        elif opening:
            self._ready.append((frame.data, cost))
        elif frame.data is not None:
            self._ready += ((frame.payload, 0), (frame.data, cost))
        else:
            self._ready.append((frame.payload, cost))
        return False

    def _on_unknown(self, *, gone: bool) -> None:
        if gone:
            self.abort(PeerLost(f"{self.peer} no longer knows the exchange"))
        elif not self._was_known():
            # The opening frame was lost, or is late. It goes with the next tick: each of the
            # frames behind it is answered like this, and one repetition is enough.
            self._outbox.rewind()
        elif not self._doubted:
            self._doubted = True  # this may be old news
            self._probe(self._table.now())

    def _was_known(self) -> bool:
        return not self.initiated or self._outbox.acked > 0 or self._inbox.expected > 0

    def _on_cancel(self, seq: int) -> None:
        self._given_up = True
        self._inbox.ended = True
        self._inbox.expected = max(self._inbox.expected, seq + 1)
        self._outbox.abandon()
        self._send_credit()
        if self._deadline is not None and self._table.now() >= self._deadline:
            self._stop(DeadlineExceeded("the deadline passed"))  # seen there first
        else:
            self._stop(ExchangeCancelled(f"{self.peer} cancelled"))

    def on_undeliverable(self, seq: int, reason: str) -> bool:
        """Take a relay's word that it did not pass on a frame of this side; it is due again.

        It is no proof: the frame may have arrived all the same. Returns False where the frame
        was never sent, or is known to have arrived.
        """
        if not self._outbox.acked <= seq <= self._outbox.next_seq:
            return False
        self._outbox.retreat(seq)
        self._copies -= seq == 0 and self._copies > 0
        if reason != "congested":
            self.unroutable(self._table.now())
        # Sent again by the tick, or when routes change: at once would only come back at once.
        return True

    # --- time, and what changes around it

    def resume(self, *, again: bool) -> None:
        """Send what is due; with ``again``, also what was not acknowledged."""
        if again:
            self._outbox.rewind()
        self.flush()
        if self._in_trouble and not self.over:
            self._probe(self._table.now())

    def unroutable(self, now: float) -> None:
        """Note that there is no route to the other end at the moment."""
        self._in_trouble = True
        if self._trouble_since is None:
            self._trouble_since = now

    def tick(self, now: float) -> None:
        """Look after an exchange that may have gone silent."""
        limits = self._table.limits
        if self.over:
            return
        if self._is_late(now):
            self.cancel(DeadlineExceeded("the deadline passed", may_have_begun=self.may_have_begun))
        elif self._is_stranded(now):
            self.abort(
                Undeliverable(f"no route to {self.peer}", may_have_begun=self.may_have_begun)
            )
        elif now - self._heard > limits.lost:
            self.abort(PeerLost(f"{self.peer} does not answer", may_have_begun=self.may_have_begun))
        else:
            self.flush()
            silence = limits.probe_unacked if self._waits() else limits.probe_idle
            if now - self._asked > silence and not self.over:
                self._probe(now)

    def _is_late(self, now: float) -> bool:
        active = not self._given_up and not self._released
        return active and self._deadline is not None and now >= self._deadline

    def _is_stranded(self, now: float) -> bool:
        since = self._trouble_since
        return self._in_trouble and since is not None and now - since > self._table.limits.grace

    def _waits(self) -> bool:
        unacked = self._outbox.cursor > self._outbox.acked
        unanswered = self._asked > self._heard  # the probe, or its answer, may have been lost
        waiting = self._writable is not None or self._in_trouble or self._doubted
        return unacked or unanswered or waiting

    def _probe(self, now: float) -> None:
        self._asked = now
        outcome = self._control("probe", fin=self._was_known())
        if outcome is Outcome.SENT:
            self._in_trouble = False
        elif outcome is not Outcome.CONGESTED:
            self.unroutable(now)

    # --- ending

    def cancel(self, error: ExchangeError) -> None:
        """Give up here, and have the other side told."""
        if self._given_up or self._released or self.over:
            return
        self._given_up = True
        self._inbox.ended = True
        self._outbox.abandon()
        if self.may_have_begun:
            self._outbox.push("cancel", b"j", b"", fin=True)
            self.flush()
        self._stop(error)

    def abort(self, error: ExchangeError) -> None:
        """Give up here, the other side being out of reach."""
        self._given_up = True
        self._inbox.ended = True
        self._outbox.abandon()
        self._stop(error)
        self._table.discard(self, lost=True)

    def spoil(self, error: ExchangeError) -> None:
        """Give up, the other side having broken the protocol; the second time for good."""
        if self._given_up or self._released:
            self.abort(error)
        else:
            self.cancel(error)

    def _fail(self, error: ExchangeError) -> None:
        if self._error is None:
            self._error = error
        self._wake_writer()

    def _stop(self, error: ExchangeError) -> None:
        self._fail(error)
        if not self._whole:
            self._ready.clear()
        self._wake_reader()
        if self._handler is not None:
            self._handler.cancel()

    def _wake_reader(self) -> None:
        if self._readable is not None:
            self._readable.set()
            self._readable = None

    def _wake_writer(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    def _release(self) -> None:
        self._released = True
        while self._ready:
            self._inbox.take(self._ready.popleft()[1])
        if not self._inbox.ended:
            self._send_credit()  # the other side's rest is taken to its end, unseen
        self._settle()

    def _settle(self) -> None:
        if self._released and self.over:
            self._table.discard(self)


def _is_end(frame: Frame) -> bool:
    """Say whether a frame says nothing but that it is the last one."""
    return frame.header.fin and frame.payload == b""
