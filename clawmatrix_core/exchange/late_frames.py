"""Frames of exchanges that are over here, were refused, or were never open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.exchange.failures import error_body
from clawmatrix_core.exchange.finished import Done, Finished
from clawmatrix_core.wire.codec import LANES

if TYPE_CHECKING:
    from clawmatrix_core.base.local import Local
    from clawmatrix_core.exchange.carrier import Carrier
    from clawmatrix_core.exchange.envelope import Key
    from clawmatrix_core.exchange.limits import ExchangeLimits
    from clawmatrix_core.wire.codec import Header

__all__ = ["LateFrames"]


class LateFrames:
    """Remembers exchanges that are over, and answers what still comes for them."""

    def __init__(self, carrier: Carrier, local: Local, limits: ExchangeLimits) -> None:
        self._carrier = carrier
        self._local = local
        self._limits = limits
        self._done, self._lost = Finished(), Finished()

    def __len__(self) -> int:
        return len(self._done) + len(self._lost)

    def use(self, limits: ExchangeLimits) -> None:
        """Remember for other times from now on."""
        self._limits = limits

    # --- remembering

    def remember(self, key: Key, ack: int, *, clean: bool, refusal: bytes | None = None) -> None:
        """Remember an exchange that is over; ``ack`` frames of the other end are not missed.

        ``clean`` says that those are all, ``refusal`` is the error that was the only answer.
        """
        until = self._local.now() + self._limits.linger
        self._done.put(key, Done(until, ack, clean, refusal))

    def remember_lost(self, key: Key, ack: int) -> None:
        """Remember, for longer, an exchange whose other end may not know that it is over."""
        self._lost.put(key, Done(self._local.now() + self._limits.linger_lost, ack, clean=False))

    def tick(self, now: float) -> None:
        """Forget exchanges that ended long ago."""
        for finished in (self._done, self._lost):
            finished.forget(now)

    # --- answering

    def refuse(self, header: Header, code: str, message: str) -> None:
        """Answer an opening frame with an error, keeping nothing but that."""
        if not header.id:
            self._local.count("no_exchange")  # nobody waits for an answer
            return
        refusal = error_body(ExchangeFailure(code, message, may_have_begun=False))
        key = (header.source, header.id, False)
        self.remember(key, header.seq + 1, clean=True, refusal=refusal)
        self._send_refusal(header, header.seq + 1, refusal)

    def answer_finished(self, header: Header) -> bool:
        """Answer a frame of an exchange that is over here; False for any other frame."""
        key = (header.source, header.id, header.re)
        done = self._done.get(key) or self._lost.get(key)
        if done is None:
            return False
        if header.type not in ("credit", "unknown"):
            self._answer(header, done)
        return True

    def _answer(self, header: Header, done: Done) -> None:
        # Nothing that the other end sent, or lost, is missed here. A probe has the number of
        # the frame that comes next.
        ack = max(done.ack, header.seq + (header.type != "probe"))
        if header.type == "cancel":
            self._reply(header, "credit", ack)
        elif done.refusal is not None:
            self._send_refusal(header, ack, done.refusal)
        elif done.clean:
            self._reply(header, "credit", ack)
        else:
            self._reply(header, "unknown", 0, fin=True)  # given up here: the other side can stop

    def answer_unknown(self, header: Header) -> None:
        """Answer a frame of an exchange that was never open here."""
        if header.type in ("credit", "unknown"):
            self._local.count("stray")
            return
        self._local.count("unknown_exchange")
        if header.type == "cancel":
            # The opening frame may still be on its way; it must then find the exchange over.
            key = (header.source, header.id, header.re)
            self.remember(key, header.seq + 1, clean=False)
            self._reply(header, "credit", header.seq + 1)
        else:
            # The opening frame may be late here too, but not where the other end had an answer.
            gone = header.type == "probe" and header.fin
            self._reply(header, "unknown", 0, fin=gone)

    def _send_refusal(self, header: Header, ack: int, refusal: bytes) -> None:
        self._carrier.transmit(
            header.source,
            "error",
            header.id,
            b"j",
            refusal,
            re=True,
            fin=True,
            ack=ack,
            lane=LANES[header.lane],
        )

    def _reply(self, header: Header, type_: str, ack: int, *, fin: bool = False) -> None:
        self._carrier.transmit(
            header.source,
            type_,
            header.id,
            b"j",
            b"",
            re=not header.re,
            fin=fin,
            ack=ack,
            lane=LANES[header.lane],
        )
