"""The exchanges of one node: opened, answered, fed with frames, and looked after.

Every feature talks in exchanges; none keeps a table of pending requests of its own. Frames
come in by ``deliver`` and go out through the carrier; a slow tick looks after exchanges that
have gone silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.base.errors import (
    ExchangeError,
    ExchangeFailure,
    PeerLost,
    RemoteProtocolError,
)
from clawmatrix_core.exchange.acknowledgements import CREDITS, Acknowledgements, read_credits
from clawmatrix_core.exchange.answering import answer
from clawmatrix_core.exchange.endpoint import Endpoint
from clawmatrix_core.exchange.envelope import Envelope
from clawmatrix_core.exchange.exchange import Exchange
from clawmatrix_core.exchange.late_frames import LateFrames
from clawmatrix_core.exchange.limits import ExchangeLimits
from clawmatrix_core.exchange.shares import Shares
from clawmatrix_core.exchange.typed import TypedExchange
from clawmatrix_core.wire.codec import LANES, Lane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.base.local import Local
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.exchange.answering import Handler, HandlerScope
    from clawmatrix_core.exchange.carrier import Carrier
    from clawmatrix_core.exchange.envelope import Key
    from clawmatrix_core.wire.codec import Header
    from clawmatrix_core.wire.frames import Frame

__all__ = ["EXCHANGE_TYPES", "Exchanges"]

EXCHANGE_TYPES = frozenset({"data", "error", "cancel", "credit", CREDITS, "probe", "unknown"})


class Exchanges:
    """All exchanges of one node.

    Attributes:
        limits: how much they may hold, and how long they wait.
        acknowledgements: the waiting ones, which go together.
    """

    def __init__(
        self, local: Local, carrier: Carrier, limits: ExchangeLimits | None = None
    ) -> None:
        self.limits = limits or ExchangeLimits()
        self._local = local
        self._carrier = carrier
        self._live: dict[Key, Endpoint] = {}
        self._with: dict[NodeId, dict[Key, Endpoint]] = {}
        self._per_peer: dict[NodeId, int] = {}
        self._unread, self._unacked = Shares(self.limits.unread), Shares(self.limits.unacked)
        self._late = LateFrames(carrier, local, self.limits)
        self._busy = anyio.Event()
        self._abandoned = False
        self.acknowledgements = Acknowledgements(self._send_credits, self.limits.ack)

    def __repr__(self) -> str:
        return f"<Exchanges live={len(self._live)} remembered={len(self._late)}>"

    def outlast(self, seconds: float) -> None:
        """Give up no exchange opened from now on while its links may still heal within this."""
        self.limits = self.limits.outlasting(seconds)
        self._late.use(self.limits)

    @property
    def live(self) -> tuple[Endpoint, ...]:
        """The ends of exchanges that are not over."""
        return tuple(self._live.values())

    def of(self, peer: NodeId) -> tuple[Endpoint, ...]:
        """Return the ends of exchanges with a node that are not over."""
        return tuple(self._with.get(peer, {}).values())

    @property
    def accepted(self) -> Mapping[NodeId, int]:
        """How many exchanges each other node has open here."""
        return self._per_peer

    @property
    def remembered(self) -> int:
        """How many exchanges are remembered that are over."""
        return len(self._late)

    @property
    def unread(self) -> int:
        """Bytes that have arrived, of exchanges that are not over, and nobody has read."""
        return self._unread.held

    @property
    def unacked(self) -> int:
        """Bytes that are kept until the other ends have acknowledged them."""
        return self._unacked.held

    # --- opening

    def open(
        self,
        to: NodeId,
        type_: str,
        payload: JSON = None,
        *,
        answer: type[object] | None = None,
        data: bytes | None = None,
        complete: bool = False,
        deadline: float | None = None,
        lane: Lane = Lane.INTERACTIVE,
    ) -> Exchange:
        """Return an exchange to enter with ``async with``; nothing is sent before that.

        ``answer`` is the attrs class that what comes back is read as, in a TypedExchange.
        ``data`` are bytes that follow the payload, in the same frame; together they have to
        fit into one. ``complete`` says that this is the whole request. ``deadline`` is in
        seconds.
        """
        end = self._endpoint(self._local.new_id(), to, type_, initiated=True, lane=lane)
        if deadline is not None:
            end.allow(deadline)
        if answer is not None:
            return TypedExchange(answer, end, payload=payload, data=data, complete=complete)
        return Exchange(end, payload=payload, data=data, complete=complete)

    def _endpoint(
        self, id_: str, peer: NodeId, type_: str, *, initiated: bool, lane: Lane
    ) -> Endpoint:
        return Endpoint(
            Envelope(id_, peer, type_, initiated, lane),
            keeper=self,
            carrier=self._carrier,
            local=self._local,
            limits=self.limits,
            unread=self._unread.of(peer),
            unacked=self._unacked.of(peer),
        )

    # --- answering

    def accept(self, frame: Frame, handler: Handler, scope: HandlerScope) -> bool:
        """Answer an opening frame with a handler, which runs in the plugin's scope.

        Returns True, so that a frame hook can return it. What the handler raises ends the
        exchange with an error at the other side; leaving it unfinished finishes it.
        """
        header = frame.header
        if not header.id:
            self._local.count("no_exchange")
            return True
        if self._per_peer.get(header.source, 0) >= self.limits.per_peer:
            too_many = f"more than {self.limits.per_peer} exchanges open"
            self._carrier.report(header.source, "too_many_exchanges", too_many)
            self.refuse(frame, "busy", "too many exchanges are open")
            return True
        if not self._unread.of(header.source).admits(frame.size):
            self._carrier.report(header.source, "too_much_unread", "more than is read of it")
            self.refuse(frame, "busy", "too much is unread here")
            return True
        try:
            end = self._accepted(frame)
        except RemoteProtocolError as error:
            self._local.count(error.reason)
            self.refuse(frame, "bad_request", str(error))
            return True
        self.add(end)
        self._per_peer[header.source] = self._per_peer.get(header.source, 0) + 1
        exchange = Exchange(end, request=frame.payload, complete=header.fin)
        name = f"{header.type} handler"
        if not scope.handle(answer, exchange, end, handler, scope, name=name):
            stopping = f"{header.type} is not answered here any more"
            end.drop(ExchangeFailure("stopping", stopping, may_have_begun=False))
        return True

    def _accepted(self, frame: Frame) -> Endpoint:
        """Return the answering end of an opening frame. Raises: RemoteProtocolError."""
        header = frame.header
        lane = LANES[header.lane]
        end = self._endpoint(header.id, header.source, header.type, initiated=False, lane=lane)
        end.sending.peer_key = frame.peer_key
        if header.deadline > 0:
            end.allow(header.deadline / 1000)
        end.on_frame(frame)
        return end

    def refuse(self, frame: Frame, code: str, message: str) -> None:
        """Answer an opening frame with an error, keeping nothing but that."""
        self._refuse(frame.header, code, message)

    def _refuse(self, header: Header, code: str, message: str) -> None:
        self._late.refuse(header, code, message)
        self._busy.set()

    # --- keeping

    def add(self, end: Endpoint) -> bool:
        """Take an endpoint into the table; over at once, and False, after ``abandon``."""
        if self._abandoned:
            end.abort(_stopping(end, "the node stopped"))
        else:
            self._live[end.key] = end
            self._with.setdefault(end.peer, {})[end.key] = end
            self._busy.set()
        return not self._abandoned

    def discard(self, end: Endpoint, *, lost: bool = False) -> None:
        """Forget an exchange but its number. Idempotent."""
        if self._live.pop(end.key, None) is None:
            return
        with_peer = self._with[end.peer]
        del with_peer[end.key]
        if not with_peer:
            del self._with[end.peer]
        received = end.receiving.inbox.expected
        if lost and not end.envelope.initiated:
            self._late.remember_lost(end.key, received)
        else:
            self._late.remember(end.key, received, clean=end.clean)
            self._busy.set()
        if not end.envelope.initiated:
            left = self._per_peer.get(end.peer, 1) - 1
            if left > 0:
                self._per_peer[end.peer] = left
            else:
                self._per_peer.pop(end.peer, None)

    def owe(self, end: Endpoint) -> None:
        """Send the credit of an endpoint soon, together with that of others."""
        self.acknowledgements.owe(end)

    def _send_credits(self, to: NodeId, lane: Lane, payload: bytes) -> None:
        self._carrier.transmit(to, CREDITS, "", b"j", payload, lane=lane)

    # --- frames that come in

    def deliver(self, frame: Frame) -> bool:
        """Give a frame to its exchange; False if it belongs to none and may open one."""
        header = frame.header
        if not header.id:
            return header.type == CREDITS and self._on_credits(frame)
        end = self._live.get((header.source, header.id, header.re))
        if end is not None:
            if end.sending.peer_key != frame.peer_key:
                self._local.count("other_key")  # an exchange is with one key, whatever its name
                return True
            try:
                end.on_frame(frame)
            except RemoteProtocolError as error:
                self._spoil(end, header.source, error)
            return True
        if self._late.answer_finished(header):
            return True
        if header.type in EXCHANGE_TYPES:
            self._late.answer_unknown(header)
            self._busy.set()
            return True
        if header.re or header.seq:
            self._local.count("stray")  # neither one of an exchange nor one that opens one
            return True
        return False

    def _spoil(self, end: Endpoint, source: NodeId, error: RemoteProtocolError) -> None:
        self._local.count(error.reason)
        end.spoil(ExchangeError(f"{source}: {error}"))

    def _on_credits(self, frame: Frame) -> bool:
        """Take acknowledgements that came together. Raises: RemoteProtocolError."""
        source = frame.header.source
        for id_, re, ack, limit in read_credits(frame.payload):
            end = self._live.get((source, id_, re))
            if end is None or end.sending.peer_key != frame.peer_key:
                continue
            try:
                end.on_credit(ack, limit)
            except RemoteProtocolError as error:
                self._spoil(end, source, error)
        return True

    def spoil(self, header: Header, error: RemoteProtocolError, peer_key: bytes) -> None:
        """End the exchange of a frame with a malformed body, or refuse to open one for it.

        ``peer_key`` is the key of the session that the frame came under.
        """
        end = self._live.get((header.source, header.id, header.re))
        if end is not None and end.sending.peer_key != peer_key:
            self._local.count("other_key")
        elif end is not None:
            end.spoil(ExchangeError(f"{header.source}: {error}"))
        elif not header.re and header.seq == 0 and header.type not in EXCHANGE_TYPES:
            self._refuse(header, "bad_request", str(error))

    def undeliverable(self, to: NodeId, id_: str, *, re: bool, seq: int, reason: str) -> bool:
        """Note that a relay could not pass on a frame of ours; False for an unknown exchange."""
        end = self._live.get((to, id_, not re))
        return end is not None and end.on_undeliverable(seq, reason)

    # --- what changes around them

    def flush(self, peer: NodeId, *, again: bool = False) -> None:
        """Send the frames due to a node; with ``again``, those not acknowledged as well."""
        for end in self.of(peer):
            end.resume(again=again)

    def lose(self, peer: NodeId, instance: str, key: bytes | None, why: str) -> None:
        """End the exchanges that a node no longer knows, since it runs as another instance.

        Those under another key than its present one end too; with None those under any key.
        """
        for end in self.of(peer):
            elsewhere = end.sending.instance not in (None, instance)
            if elsewhere and end.sending.presumed_there and not end.over:
                end.abort(PeerLost(f"{peer} {why}"))
        self.keep_key(peer, key)

    def keep_key(self, peer: NodeId, key: bytes | None) -> None:
        """End the exchanges with a node under any other key than this; None: all that are open."""
        for end in self.of(peer):
            if end.sending.peer_key not in (None, key):
                end.abort(PeerLost(f"{peer} is no longer known by that key"))

    async def run(self) -> None:
        """Look after silent exchanges, until cancelled."""
        while True:
            if not (self._live or self._late):
                self._busy = anyio.Event()
                await self._busy.wait()
            await anyio.sleep(self.limits.tick)
            self.tick()

    def tick(self) -> None:
        """Check silent exchanges, and forget exchanges that ended long ago."""
        self.acknowledgements.flush()
        now = self._local.now()
        for end in self.live:
            end.tick(now)
        self._late.tick(now)

    def shut_down(self) -> None:
        """Tell every other end that the node stops, as far as links still take it."""
        self.acknowledgements.flush()
        for end in self.live:
            stopping = _stopping(end, "the node stops")
            if end.envelope.initiated:
                end.cancel(stopping)
            else:
                end.fail(stopping, known=True)

    def abandon(self) -> None:
        """End everything here, the links being gone; nothing can be opened any more."""
        self._abandoned = True
        for end in self.live:
            end.abort(_stopping(end, "the node stopped"))


def _stopping(end: Endpoint, message: str) -> ExchangeFailure:
    return ExchangeFailure("stopping", message, may_have_begun=end.may_have_begun, here=True)
