"""The sending side of one end: frames put on their way, and kept until they are acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.base.bell import Bell
from clawmatrix_core.exchange.carrier import Outcome
from clawmatrix_core.exchange.windows import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.base.local import Local
    from clawmatrix_core.exchange.carrier import Carrier
    from clawmatrix_core.exchange.envelope import Envelope
    from clawmatrix_core.exchange.liveness import Liveness
    from clawmatrix_core.exchange.receiving import Receiving
    from clawmatrix_core.exchange.shares import Share
    from clawmatrix_core.exchange.windows import Outgoing

__all__ = ["Sending"]


class Sending:
    """Sends frames as far as route, session, lane and credit allow.

    Each frame carries the credit of the receiving side, and tells the liveness whether it got
    away.

    Attributes:
        outbox: the frames to send, and which of them have arrived.
        instance: the run of the peer that has, or may have, the opening frame.
        peer_key: the key of the session that the opening frame went, or came, under; None while
            it has not gone out.
        opened: the opening frame has left this node, whatever relays say of it.
        writable: what a writer without room waits for, None where none waits.
    """

    __slots__ = (
        "_carrier",
        "_copies",
        "_envelope",
        "_inbox",
        "_liveness",
        "_local",
        "_receiving",
        "instance",
        "opened",
        "outbox",
        "peer_key",
        "writable",
    )

    def __init__(
        self,
        envelope: Envelope,
        carrier: Carrier,
        local: Local,
        receiving: Receiving,
        liveness: Liveness,
        share: Share | None = None,
    ) -> None:
        self.peer_key: bytes | None = None
        self.outbox = Outbox(share=share)
        self.instance = None if envelope.initiated else carrier.instance_of(envelope.peer)
        self.opened = False
        self._envelope = envelope
        self._carrier = carrier
        self._local = local
        self._receiving = receiving
        self._inbox = receiving.inbox
        self._liveness = liveness
        self._copies = 0  # of the opening frame, that no relay has said it dropped
        self.writable: Bell | None = None

    def __repr__(self) -> str:
        return f"<Sending {self.outbox!r}>"

    @property
    def presumed_there(self) -> bool:
        """True where the peer's run has the opening frame, if relays tell the truth."""
        return not self._envelope.initiated or self._copies > 0

    # --- numbered frames

    def flush(self, again: Callable[[], None]) -> bool:
        """Send the frames that are due. Where a lane has no space, ``again`` is called once it has.

        Returns False where the opening frame would reach another run of the peer than before.
        """
        while (item := self.outbox.due()) is not None:
            opening = item.seq == 0 and self._envelope.initiated
            if opening and not self._reaches_the_same_run():
                return False
            outcome = self._transmit(item, opening)
            if outcome is not Outcome.SENT:
                self._note_blocked(outcome, again)
                break
        return True

    def _note_blocked(self, outcome: Outcome, again: Callable[[], None]) -> None:
        if outcome is Outcome.CONGESTED:
            self._liveness.note_sent()
            self._carrier.when_space(self._envelope.peer, self._envelope.lane, again)
        else:
            self._liveness.note_unroutable(self._local.now())

    def _transmit(self, item: Outgoing, opening: bool) -> Outcome:
        # Counted before it is sent: the answer of this very node comes before ``transmit`` returns.
        self.outbox.advance()
        before = self.opened
        if opening:
            self.opened = True
            self._copies += 1
        envelope, liveness = self._envelope, self._liveness
        inbox = self._inbox
        outcome = self._carrier.transmit(
            envelope.peer,
            item.type,
            envelope.id,
            item.kind,
            item.payload,
            seq=item.seq,
            re=not envelope.initiated,
            fin=item.fin,
            ack=inbox.expected,
            limit=inbox.grant(),
            deadline=liveness.milliseconds_left(self._local.now()) if opening else 0,
            lane=envelope.lane,
        )
        if outcome is Outcome.SENT:
            liveness.in_trouble = self._receiving.owes = False
        else:
            self.opened = before
            self._copies -= opening
            self.outbox.retreat(item.seq)
        return outcome

    def _reaches_the_same_run(self) -> bool:
        # The opening frame goes to one instance only: one that has it may have begun. Nor does
        # it ever go to another key: the word of an instance can be copied.
        peer = self._envelope.peer
        instance, key = self._carrier.instance_of(peer), self._carrier.key_of(peer)
        if instance is None:
            return True  # it will not go anywhere before there is a session
        if (self._copies and instance != self.instance) or self.peer_key not in (None, key):
            return False
        self.instance, self.peer_key = instance, key
        return True

    def send_lost_again(self) -> None:
        """Count the frames that have not arrived, and have them sent again."""
        for _ in range(self.outbox.cursor - self.outbox.acked):
            self._local.count("lost")
        self.outbox.rewind()

    def take_back(self, seq: int) -> bool:
        """Make a frame due again that a relay did not pass on.

        The relay's word is no proof: the frame may have arrived all the same. Returns False
        where the frame was never sent, or is known to have arrived.
        """
        if not self.outbox.acked <= seq <= self.outbox.next_seq:
            return False
        self.outbox.retreat(seq)
        self._copies -= seq == 0 and self._copies > 0
        return True

    # --- frames beside them

    def send_credit(self, *, answer: bool = False) -> None:
        """Send credit in a frame of its own; ``answer`` says that it answers a probe."""
        self._control("credit", fin=answer)

    def probe(self, *, known: bool) -> None:
        """Ask the other end what has arrived; ``known`` where it has known the exchange."""
        now = self._local.now()
        self._liveness.note_asked(now)
        outcome = self._control("probe", fin=known)
        if outcome is Outcome.SENT:
            self._liveness.note_sent()
        elif outcome is not Outcome.CONGESTED:
            self._liveness.note_unroutable(now)

    def _control(self, type_: str, *, fin: bool) -> Outcome:
        # Numbered as the frame that comes next: a relay that cannot pass it on reports the
        # number, and it must not be taken for the opening frame's.
        envelope = self._envelope
        ack, limit = self._receiving.credit()
        return self._carrier.transmit(
            envelope.peer,
            type_,
            envelope.id,
            b"j",
            b"",
            seq=self.outbox.next_seq,
            re=not envelope.initiated,
            fin=fin,
            ack=ack,
            limit=limit,
            lane=envelope.lane,
        )

    # --- writing

    async def wait(self) -> None:
        """Return when there may be room in the window, or the direction has ended."""
        if self.writable is None:
            self.writable = Bell()
        await self.writable.wait()

    @property
    def waiting(self) -> bool:
        """True while a writer waits for room, or frames for their acknowledgement."""
        return self.writable is not None or self.outbox.cursor > self.outbox.acked

    def wake_for_room(self) -> None:
        """Wake the writer where there is room for what it has."""
        if self.writable is not None and self.outbox.takes(0):
            self.wake()

    def wake(self) -> None:
        """Wake the writer."""
        if self.writable is not None:
            self.writable.ring()
            self.writable = None
