"""One end of an exchange, below what its user reads and writes: frames, time, and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from clawmatrix_core.base.errors import (
    DeadlineExceeded,
    ExchangeCancelled,
    ExchangeError,
    LocalProtocolError,
    PeerLost,
    Undeliverable,
)
from clawmatrix_core.exchange.failures import error_body, like
from clawmatrix_core.exchange.liveness import Liveness
from clawmatrix_core.exchange.receiving import Receiving
from clawmatrix_core.exchange.sending import Sending

if TYPE_CHECKING:
    from anyio import CancelScope

    from clawmatrix_core.base.errors import ExchangeFailure
    from clawmatrix_core.base.local import Local
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.exchange.acknowledgements import Credit
    from clawmatrix_core.exchange.carrier import Carrier
    from clawmatrix_core.exchange.envelope import Envelope, Key
    from clawmatrix_core.exchange.limits import ExchangeLimits
    from clawmatrix_core.exchange.shares import Share
    from clawmatrix_core.wire.codec import Lane
    from clawmatrix_core.wire.frames import Frame

__all__ = ["Endpoint", "Keeper"]


class Keeper(Protocol):
    """The table that keeps an endpoint."""

    def add(self, end: Endpoint) -> bool:
        """Take an endpoint in. False where the node has stopped, and the endpoint was ended."""

    def discard(self, end: Endpoint, *, lost: bool = False) -> None:
        """Forget an endpoint; ``lost`` where the other end may not know that it is over."""

    def owe(self, end: Endpoint) -> None:
        """Send the credit of an endpoint soon, together with that of others."""


class Endpoint:
    """One end of an exchange.

    Attributes:
        envelope: which exchange it is.
        key: what frames of the other end are found by.
        peer: the node at the other end.
        lane: the lane of its frames.
        receiving: what comes in.
        sending: what goes out.
        liveness: whether the other end is there.
        error: what ended it before its time, None where nothing did.
        given_up: one of both ends has given up.
    """

    __slots__ = (
        "_handler",
        "_keeper",
        "_local",
        "envelope",
        "error",
        "given_up",
        "key",
        "lane",
        "liveness",
        "peer",
        "receiving",
        "sending",
    )

    def __init__(
        self,
        envelope: Envelope,
        *,
        keeper: Keeper,
        carrier: Carrier,
        local: Local,
        limits: ExchangeLimits,
        unread: Share,
        unacked: Share,
    ) -> None:
        self.envelope = envelope
        self.key: Key = envelope.key
        self.peer: NodeId = envelope.peer
        self.lane: Lane = envelope.lane
        self.liveness = Liveness(limits, local.now())
        self.receiving = Receiving(limits.window, opened_here=envelope.initiated, share=unread)
        self.sending = Sending(envelope, carrier, local, self.receiving, self.liveness, unacked)
        self.error: ExchangeError | None = None
        self.given_up = False
        self._keeper, self._local = keeper, local
        self._handler: CancelScope | None = None

    def __repr__(self) -> str:
        return f"<Endpoint {self}>"

    def __str__(self) -> str:
        envelope, way = self.envelope, "to" if self.envelope.initiated else "from"
        state = f"failed: {self.error}" if self.error else "open"
        if self.receiving.released and not self.error:
            state = "released"
        halves = f"{self.sending.outbox!r} {self.receiving.inbox!r}"
        return f"{envelope.type} {way} {envelope.peer} {envelope.id} {state} {halves}"

    @property
    def may_have_begun(self) -> bool:
        """Whether the far side can have seen the opening frame."""
        return not self.envelope.initiated or self.sending.opened

    @property
    def over(self) -> bool:
        """True once neither end has to tell the other anything more."""
        return self.receiving.inbox.ended and self.sending.outbox.settled

    @property
    def clean(self) -> bool:
        """True where everything the other side sent has arrived."""
        return self.receiving.inbox.ended and not self.given_up

    # --- opening

    def allow(self, seconds: float) -> None:
        """Set the deadline, counted from now."""
        self.liveness.deadline = self._local.now() + seconds

    def outlast(self, seconds: float | None) -> None:
        """Go on for so long without a route; None is as long as other exchanges do."""
        self.liveness.outlast(seconds)

    def open(self, kind: bytes, payload: bytes, *, complete: bool) -> None:
        """Send the opening frame, which is the whole request where it is ``complete``."""
        if self._keeper.add(self):
            self.push(self.envelope.type, kind, payload, fin=complete)

    # --- writing

    def push(self, type_: str, kind: bytes, payload: bytes, *, fin: bool) -> None:
        """Send a frame, whether or not there is room in the window."""
        self.sending.outbox.push(type_, kind, payload, fin=fin)
        self.flush()

    async def write(self, kind: bytes, payload: bytes, *, fin: bool) -> None:
        """Send a payload once there is room for it. Raises: ExchangeError."""
        outbox, size = self.sending.outbox, len(payload)
        while self.error is None and not outbox.closed and not outbox.takes(size):
            await self.sending.wait()
        if self.error is not None:
            raise like(self.error)
        if outbox.closed:
            raise LocalProtocolError("this side of the exchange is finished")
        self.push("data", kind, payload, fin=fin)

    def flush(self) -> None:
        """Send the frames that are due, as far as route, session and lane allow."""
        if not self.sending.flush(self.flush):
            self.abort(PeerLost(f"{self.peer} restarted"))

    # --- reading

    async def read(self) -> Any:
        """Return the next payload. Raises: StopAsyncIteration at the end; ExchangeError."""
        receiving = self.receiving
        while not receiving.ready:
            if receiving.whole:
                raise StopAsyncIteration
            if self.error is not None:
                raise like(self.error)
            await receiving.wait()
        payload, credit_due = receiving.read()
        if credit_due:
            self.sending.send_credit()
        return payload

    # --- acknowledgements that go with others

    @property
    def owes(self) -> bool:
        """True while something has arrived that no frame has acknowledged."""
        return self.receiving.owes

    def send_credit(self) -> None:
        """Send the owed acknowledgement in a frame of its own."""
        self.sending.send_credit()

    def collect_credit(self) -> Credit:
        """Return the owed acknowledgement, for a frame with others, and owe it no more."""
        ack, limit = self.receiving.credit()
        return (self.envelope.id, not self.envelope.initiated, ack, limit)

    # --- frames of the other end

    def on_frame(self, frame: Frame) -> None:
        """Take a frame of the other end. Raises: RemoteProtocolError."""
        header = frame.header
        if header.type == "unknown":  # which is no sign of life of the exchange
            self._on_unknown(gone=header.fin)
            return
        self._hear(header.ack, header.limit)
        match header.type:
            case "data":
                self._on_numbered(frame)
            case "credit":
                if header.fin:  # the answer to a probe: unacknowledged frames were lost
                    self.sending.send_lost_again()
            case "probe":
                self.sending.send_credit(answer=True)
            case "cancel":
                self._on_cancel(header.seq)
            case _:
                self._on_numbered(frame)
        self.liveness.doubted = False
        if self.sending.outbox.due() is not None:
            self.flush()
        self._go_on()

    def on_credit(self, ack: int, limit: int) -> None:
        """Take an acknowledgement that came with others. Raises: RemoteProtocolError."""
        self._hear(ack, limit)
        self.liveness.doubted = False
        self.flush()
        self._go_on()

    def _hear(self, ack: int, limit: int) -> None:
        outbox = self.sending.outbox
        before = outbox.acked
        outbox.credit(ack, limit)
        settled = outbox.acked > before or outbox.cursor == outbox.acked
        self.liveness.note_heard(self._local.now(), settled=settled)

    def _go_on(self) -> None:
        self.sending.wake_for_room()
        if self.receiving.released:
            self._settle()

    def _on_numbered(self, frame: Frame) -> None:
        receiving = self.receiving
        before = receiving.inbox.expected
        credit_due = receiving.take(frame)
        if receiving.failure is not None:
            self._fail(receiving.failure)
        if credit_due:
            self.sending.send_credit()
        elif receiving.inbox.ended and receiving.inbox.expected > before:
            # The last frame: its acknowledgement goes with the answer, or with others.
            receiving.owes = True
            self._keeper.owe(self)

    def _on_unknown(self, *, gone: bool) -> None:
        if gone:
            self.abort(PeerLost(f"{self.peer} no longer knows the exchange"))
        elif not self._was_known():
            # The opening frame was lost, or is late. It goes with the next tick: each of the
            # frames behind it is answered like this, and one repetition is enough.
            self.sending.outbox.rewind()
        elif not self.liveness.doubted:
            self.liveness.doubted = True  # this may be old news
            self._probe()

    def _was_known(self) -> bool:
        arrived = self.sending.outbox.acked > 0 or self.receiving.inbox.expected > 0
        return not self.envelope.initiated or arrived

    def _on_cancel(self, seq: int) -> None:
        inbox = self.receiving.inbox
        self.given_up = True
        inbox.ended = True
        inbox.expected = max(inbox.expected, seq + 1)
        self.sending.outbox.abandon()
        self.sending.send_credit()
        late = self.liveness.is_late(self._local.now())  # seen there first
        cancelled = ExchangeCancelled(f"{self.peer} cancelled")
        self._stop(DeadlineExceeded("the deadline passed") if late else cancelled)

    def on_undeliverable(self, seq: int, reason: str) -> bool:
        """Send again a frame that a relay did not pass on; False where it was not sent, or came."""
        if not self.sending.take_back(seq):
            return False
        if reason != "congested":
            self.note_unroutable()
        # Sent again by the tick, or when routes change: at once would only come back at once.
        return True

    # --- time, and what changes around it

    def resume(self, *, again: bool) -> None:
        """Send the frames that are due; with ``again``, those not acknowledged as well."""
        if again:
            self.sending.outbox.rewind()
        self.flush()
        if self.liveness.in_trouble and not self.over:
            self._probe()

    def note_unroutable(self, *, redialling: bool = False) -> None:
        """Note that there is no route now; ``redialling`` where this node dials the lost link."""
        self.liveness.redialling |= redialling
        self.liveness.note_unroutable(self._local.now())

    def tick(self, now: float) -> None:
        """Look after an exchange that may have gone silent."""
        if self.over:
            return
        liveness, begun = self.liveness, self.may_have_begun
        if liveness.is_late(now) and not (self.given_up or self.receiving.released):
            self.cancel(DeadlineExceeded("the deadline passed", may_have_begun=begun))
        elif liveness.is_stranded(now):
            self.abort(Undeliverable(f"no route to {self.peer}", may_have_begun=begun))
        elif liveness.is_lost(now):
            self.abort(PeerLost(f"{self.peer} does not answer", may_have_begun=begun))
        else:
            self.flush()
            self.sending.wake_for_room()  # others may have left memory
            if liveness.must_ask(now, waiting=self.sending.waiting) and not self.over:
                self._probe()

    def _probe(self) -> None:
        self.sending.probe(known=self._was_known())

    # --- ending

    def handle_in(self, scope: CancelScope) -> None:
        """Let a handler run in a scope, which is cancelled if the exchange ends before its time."""
        self._handler = scope

    def leave(self) -> None:
        """Stop reading and writing: cancel if frames may still come, else end the own side."""
        if not self.receiving.inbox.ended:
            self.cancel(ExchangeCancelled("cancelled here"))
        elif not self.sending.outbox.closed:
            self.push("data", b"b", b"", fin=True)
        self._release()

    def fail(self, failure: ExchangeFailure, *, known: bool = False) -> None:
        """Finish this side with an error, past all credit; ``known`` tells later writers here."""
        if known:
            self._fail(failure)
        if not self.sending.outbox.closed:
            self.push("error", b"j", error_body(failure), fin=True)

    def drop(self, failure: ExchangeFailure) -> None:
        """Leave an accepted exchange, with an error where it was not finished."""
        self._handler = None
        self.fail(failure)
        self._release()

    def cancel(self, error: ExchangeError) -> None:
        """Give up here, and have the other side told."""
        if self.given_up or self.receiving.released or self.over:
            return
        self._give_up()
        if self.may_have_begun:
            self.push("cancel", b"j", b"", fin=True)
        self._stop(error)

    def abort(self, error: ExchangeError) -> None:
        """Give up here, the other side being out of reach."""
        self._give_up()
        self._stop(error)
        self._keeper.discard(self, lost=True)

    def spoil(self, error: ExchangeError) -> None:
        """Give up, the other side having broken the protocol; the second time for good."""
        if self.given_up or self.receiving.released:
            self.abort(error)
        else:
            self.cancel(error)

    def _give_up(self) -> None:
        self.given_up = True
        self.receiving.inbox.ended = True
        self.sending.outbox.abandon()

    def _fail(self, error: ExchangeError) -> None:
        if self.error is None:
            self.error = error
        self.sending.wake()

    def _stop(self, error: ExchangeError) -> None:
        self._fail(error)
        self.receiving.stop()
        if self._handler is not None:
            self._handler.cancel()

    def _release(self) -> None:
        self.receiving.release()
        if not self.receiving.inbox.ended:
            self.sending.send_credit()  # the other side's rest is taken to its end, unseen
        self._settle()

    def _settle(self) -> None:
        if self.receiving.released and self.over:
            self._keeper.discard(self)
