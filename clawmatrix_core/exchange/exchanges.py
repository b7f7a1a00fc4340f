"""Exchanges: one request, then a reply or a stream, reliable over a mesh that is not.

Every feature talks in exchanges; none keeps a table of pending requests of its own. Here
they meet the node: frames come in by ``deliver``, go out by ``transmit``, and a slow tick
looks after what has gone silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import anyio
import msgspec

from clawmatrix_core.base.errors import (
    ExchangeError,
    ExchangeFailure,
    PeerLost,
    RemoteProtocolError,
)
from clawmatrix_core.exchange.acknowledgements import CREDITS, Acknowledgements, read_credits
from clawmatrix_core.exchange.exchange import Exchange, Outcome, error_body, joined
from clawmatrix_core.exchange.finished import Done, Finished
from clawmatrix_core.exchange.limits import ExchangeLimits
from clawmatrix_core.wire.codec import Lane

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.exchange.end import End
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.wire.codec import Header
    from clawmatrix_core.wire.frames import Frame

__all__ = ["EXCHANGE_TYPES", "ExchangeLimits", "Exchanges", "Outcome", "Transmit"]

EXCHANGE_TYPES = frozenset({"data", "error", "cancel", "credit", CREDITS, "probe", "unknown"})

_encode = msgspec.json.Encoder().encode


class Transmit(Protocol):
    """Puts one frame of an exchange on its way."""

    def __call__(
        self,
        to: NodeId,
        type_: str,
        id_: str,
        kind: bytes,
        payload: bytes,
        *,
        seq: int = 0,
        re: bool = False,
        fin: bool = False,
        ack: int = 0,
        limit: int = 0,
        deadline: int = 0,
        lane: Lane = Lane.INTERACTIVE,
    ) -> Outcome: ...


class Exchanges:
    """All exchanges of one node."""

    def __init__(
        self,
        *,
        transmit: Transmit,
        new_id: Callable[[], str],
        instance_of: Callable[[NodeId], str | None],
        when_space: Callable[[NodeId, Lane, Callable[[], None]], None],
        now: Callable[[], float],
        count: Callable[[str], None],
        limits: ExchangeLimits | None = None,
        refused: Callable[[NodeId, str, str], None] | None = None,
    ) -> None:
        self.limits = limits or ExchangeLimits()
        self.transmit = transmit
        self.instance_of = instance_of
        self.when_space = when_space
        self.now = now
        self._new_id = new_id
        self._count = count
        self._refused = refused or (lambda _peer, reason, _message: count(reason))
        self._live: dict[tuple[NodeId, str, bool], Exchange] = {}
        self._per_peer: dict[NodeId, int] = {}
        self._done, self._lost = Finished(), Finished()
        self._busy = anyio.Event()
        self.acknowledgements = Acknowledgements(self._send_credits, self.limits.ack)
        self._abandoned = False

    def __repr__(self) -> str:
        return f"<Exchanges live={len(self._live)} remembered={len(self._done) + len(self._lost)}>"

    @property
    def live(self) -> tuple[Exchange, ...]:
        """The exchanges that are not over."""
        return tuple(self._live.values())

    @property
    def accepted(self) -> Mapping[NodeId, int]:
        """How many exchanges each other node has open here."""
        return self._per_peer

    # --- opening

    def open(
        self,
        to: NodeId,
        type_: str,
        payload: Any = None,
        *,
        data: bytes | None = None,
        complete: bool = False,
        deadline: float | None = None,
        lane: Lane = Lane.INTERACTIVE,
    ) -> Exchange:
        """Return an exchange to enter with ``async with``; nothing is sent before that.

        ``data`` are bytes that follow the payload, in the same frame; together they have to
        fit into one. ``complete`` says that this is the whole request. ``deadline`` is in
        seconds.
        """
        opening = _encode(payload)
        exchange = Exchange(
            self,
            self._new_id(),
            to,
            type_,
            opening if data is None else joined(opening, data),
            kind=b"j" if data is None else b"m",
            initiated=True,
            lane=lane,
            complete=complete,
        )
        if deadline is not None:
            exchange.allow(deadline)
        return exchange

    def accept(
        self, frame: Frame, handler: Callable[[Exchange], Awaitable[None]], scope: PluginScope
    ) -> bool:
        """Answer an opening frame with a handler, which runs in the plugin's scope.

        Returns True, so that a frame hook can return it. What the handler raises ends the
        exchange with an error at the other side; leaving it unfinished finishes it.
        """
        header = frame.header
        if not header.id:
            self._count("no_exchange")
            return True
        if self._per_peer.get(header.source, 0) >= self.limits.per_peer:
            too_many = f"more than {self.limits.per_peer} exchanges open"
            self._refused(header.source, "too_many_exchanges", too_many)
            self.refuse(frame, "busy", "too many exchanges are open")
            return True
        exchange = Exchange(
            self,
            header.id,
            header.source,
            header.type,
            b"",
            initiated=False,
            lane=Lane(header.lane),
            request=frame.payload,
            complete=header.fin,
        )
        if header.deadline > 0:
            exchange.allow(header.deadline / 1000)
        try:
            exchange.on_frame(frame)
        except RemoteProtocolError as error:
            self._count(error.reason)
            self.refuse(frame, "bad_request", str(error))
            return True
        self.add(exchange)
        self._per_peer[header.source] = self._per_peer.get(header.source, 0) + 1
        if not scope.start_soon(
            exchange.serve, handler, scope.report, name=f"{header.type} handler"
        ):
            stopping = f"{header.type} is not answered here any more"
            exchange.drop(ExchangeFailure("stopping", stopping, may_have_begun=False))
        return True

    def _send_credits(self, to: NodeId, lane: Lane, payload: bytes) -> None:
        self.transmit(to, CREDITS, "", b"j", payload, lane=lane)

    def refuse(self, frame: Frame, code: str, message: str) -> None:
        """Answer an opening frame with an error, keeping nothing but that."""
        self._refuse(frame.header, code, message)

    def _refuse(self, header: Header, code: str, message: str) -> None:
        if not header.id:
            self._count("no_exchange")  # nobody waits for an answer
            return
        refusal = error_body(ExchangeFailure(code, message, may_have_begun=False))
        key = (header.source, header.id, False)
        self._remember(key, header.seq + 1, clean=True, refusal=refusal)
        self._send_refusal(header, header.seq + 1, refusal)

    def _send_refusal(self, header: Header, ack: int, refusal: bytes) -> None:
        self.transmit(
            header.source,
            "error",
            header.id,
            b"j",
            refusal,
            re=True,
            fin=True,
            ack=ack,
            lane=Lane(header.lane),
        )

    # --- what exchanges tell the table

    def add(self, exchange: Exchange) -> bool:
        """Take an exchange into the table; over at once, and False, after ``abandon``."""
        if self._abandoned:
            exchange.abort(_stopping(exchange, "the node stopped"))
        else:
            self._live[exchange.key] = exchange
            self._busy.set()
        return not self._abandoned

    def discard(self, exchange: End, *, lost: bool = False) -> None:
        """Forget an exchange but its number. Idempotent."""
        if self._live.pop(exchange.key, None) is None:
            return
        if lost and not exchange.initiated:
            done = Done(self.now() + self.limits.linger_lost, exchange.received, clean=False)
            self._lost.put(exchange.key, done)
        else:
            self._remember(exchange.key, exchange.received, clean=exchange.clean)
        if not exchange.initiated:
            left = self._per_peer.get(exchange.peer, 1) - 1
            if left > 0:
                self._per_peer[exchange.peer] = left
            else:
                self._per_peer.pop(exchange.peer, None)

    def _remember(
        self, key: tuple[NodeId, str, bool], ack: int, *, clean: bool, refusal: bytes | None = None
    ) -> None:
        self._done.put(key, Done(self.now() + self.limits.linger, ack, clean, refusal))
        self._busy.set()

    # --- what comes in

    def deliver(self, frame: Frame) -> bool:
        """Give a frame to its exchange; False if it belongs to none and may open one."""
        header = frame.header
        if not header.id:
            return header.type == CREDITS and self._on_credits(frame)
        key = (header.source, header.id, header.re)
        exchange = self._live.get(key)
        if exchange is not None:
            self._feed(exchange, frame)
            return True
        done = self._done.get(key) or self._lost.get(key)
        if done is not None:
            self._answer_done(frame, done)
            return True
        if header.type in EXCHANGE_TYPES:
            self._answer_unknown(frame)
            return True
        if header.re or header.seq:
            self._count("stray")  # neither one of an exchange nor one that opens one
            return True
        return False

    def _feed(self, exchange: Exchange, frame: Frame) -> None:
        try:
            exchange.on_frame(frame)
        except RemoteProtocolError as error:
            self._spoil(exchange, frame.header.source, error)

    def _spoil(self, exchange: Exchange, source: NodeId, error: RemoteProtocolError) -> None:
        self._count(error.reason)
        exchange.spoil(ExchangeError(f"{source}: {error}"))

    def _on_credits(self, frame: Frame) -> bool:
        """Take acknowledgements that came together. Raises: RemoteProtocolError."""
        source = frame.header.source
        for id_, re, ack, limit in read_credits(frame.payload):
            exchange = self._live.get((source, id_, re))
            if exchange is None:
                continue
            try:
                exchange.on_credit(ack, limit)
            except RemoteProtocolError as error:
                self._spoil(exchange, source, error)
        return True

    def _answer_done(self, frame: Frame, done: Done) -> None:
        header = frame.header
        if header.type in ("credit", "unknown"):
            return
        # Nothing that the other end sent, or lost, is missed here. A probe has the number of
        # the frame that comes next.
        ack = max(done.ack, header.seq + (header.type != "probe"))
        if header.type == "cancel":
            self._reply(frame, "credit", ack)
        elif done.refusal is not None:
            self._send_refusal(header, ack, done.refusal)
        elif done.clean:
            self._reply(frame, "credit", ack)
        else:
            self._reply(frame, "unknown", 0, fin=True)  # given up here: the other side can stop

    def _answer_unknown(self, frame: Frame) -> None:
        header = frame.header
        if header.type == "cancel":
            # The opening frame may still be on its way; it must then find the exchange over.
            self._count("unknown_exchange")
            key = (header.source, header.id, header.re)
            self._remember(key, header.seq + 1, clean=False)
            self._reply(frame, "credit", header.seq + 1)
        elif header.type not in ("credit", "unknown"):
            # The opening frame may be late here too, but not for one who has had an answer.
            self._count("unknown_exchange")
            self._reply(frame, "unknown", 0, fin=header.type == "probe" and header.fin)
        else:
            self._count("stray")

    def spoil(self, header: Header, error: RemoteProtocolError) -> None:
        """End the exchange of a frame whose body is none, or answer that it opens none."""
        exchange = self._live.get((header.source, header.id, header.re))
        if exchange is not None:
            exchange.spoil(ExchangeError(f"{header.source}: {error}"))
        elif not header.re and header.seq == 0 and header.type not in EXCHANGE_TYPES:
            self._refuse(header, "bad_request", str(error))

    def _reply(self, frame: Frame, type_: str, ack: int, *, fin: bool = False) -> None:
        header = frame.header
        self.transmit(
            header.source,
            type_,
            header.id,
            b"j",
            b"",
            re=not header.re,
            fin=fin,
            ack=ack,
            lane=Lane(header.lane),
        )

    def undeliverable(self, to: NodeId, id_: str, *, re: bool, seq: int, reason: str) -> bool:
        """Note that a relay could not pass on a frame of ours; False where there is none such."""
        exchange = self._live.get((to, id_, not re))
        return exchange is not None and exchange.on_undeliverable(seq, reason)

    def note_lost(self, frames: int) -> None:
        """Count frames that a node sent and the other end does not have."""
        for _ in range(frames):
            self._count("lost")

    # --- what changes around them

    def flush(self, peer: NodeId, *, again: bool = False) -> None:
        """Send what is due to a node; with ``again``, also what was not acknowledged."""
        for exchange in self.live:
            if exchange.peer == peer:
                exchange.resume(again=again)

    def lose(self, peer: NodeId, instance: str, why: str) -> None:
        """End the exchanges that a node no longer knows, since it runs as another instance."""
        for exchange in self.live:
            elsewhere = exchange.peer == peer and exchange.instance not in (None, instance)
            if elsewhere and exchange.may_be_there and not exchange.over:
                exchange.abort(PeerLost(f"{peer} {why}"))

    async def run(self) -> None:
        """Look after silent exchanges, until cancelled."""
        while True:
            if not (self._live or self._done or self._lost):
                self._busy = anyio.Event()
                await self._busy.wait()
            await anyio.sleep(self.limits.tick)
            self.tick()

    def tick(self) -> None:
        """Look after silent exchanges, and forget those that were over long ago."""
        self.acknowledgements.flush()
        now = self.now()
        for exchange in self.live:
            exchange.tick(now)
        for finished in (self._done, self._lost):
            finished.forget(now)

    def shut_down(self) -> None:
        """Tell every other end that the node stops, as far as links still take it."""
        self.acknowledgements.flush()
        for exchange in self.live:
            stopping = _stopping(exchange, "the node stops")
            if exchange.initiated:
                exchange.cancel(stopping)
            else:
                exchange.fail(stopping)

    def abandon(self) -> None:
        """End everything here, the links being gone; nothing can be opened any more."""
        self._abandoned = True
        for exchange in self.live:
            exchange.abort(_stopping(exchange, "the node stopped"))


def _stopping(exchange: Exchange, message: str) -> ExchangeFailure:
    return ExchangeFailure("stopping", message, may_have_begun=exchange.may_have_begun)
