"""One exchange, as the code that asks and the code that answers see it."""

from __future__ import annotations

import logging
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from clawmatrix_core.errors import (
    DeadlineExceeded,
    ExchangeCancelled,
    ExchangeError,
    ExchangeFailure,
    LocalProtocolError,
    PeerLost,
    Undeliverable,
)
from clawmatrix_core.exchange_state import Inbox, Outbox
from clawmatrix_core.frames import CHUNK, Frame, Lane, NodeId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

    from clawmatrix_core.exchanges import Exchanges

__all__ = ["Exchange", "Outcome"]

_log = logging.getLogger("clawmatrix.exchange")
_encode = msgspec.json.Encoder().encode


class Outcome(Enum):
    """What became of a frame that was to be sent."""

    SENT = "sent"
    NO_ROUTE = "no route"
    NO_SESSION = "no session yet"
    CONGESTED = "congested"


class Exchange:
    """A request and its answer. Iterate to read; ``send`` and ``finish`` to write.

    JSON payloads come out as what they decode to, byte payloads as ``bytes``. Reading ends
    when the other side has finished. An error answer, a lost node, a passed deadline or a
    missing route raise the ExchangeError of that name.

    Leaving ``async with`` before the other side has finished cancels the work there.

    Attributes:
        id: the same at both ends.
        peer: the node at the other end.
        type: the type of the opening frame.
        request: the opening payload, at the answering end.
        instance: the instance of the peer that has, or may have, the opening frame.
        complete: the opening payload is the whole request.
    """

    def __init__(
        self,
        table: Exchanges,
        id_: str,
        peer: NodeId,
        type_: str,
        opening: bytes,
        *,
        initiated: bool,
        lane: Lane,
        request: Any = None,
    ) -> None:
        if len(opening) > CHUNK:
            raise LocalProtocolError(f"an opening payload of {len(opening)} bytes; stream it")
        self.id = id_
        self.peer = peer
        self.type = type_
        self.request = request
        self.initiated = initiated
        self.instance = None if initiated else table.instance_of(peer)
        self.complete = False
        self._copies = 0  # of the opening frame, that no relay has said it dropped
        self._table = table
        self._lane = lane
        self._opening = opening
        self._outbox = Outbox(table.limits.window)
        self._inbox: Inbox[Frame] = Inbox(table.limits.window)
        self._ready: deque[tuple[Frame, int]] = deque()
        self._error: ExchangeError | None = None
        self._released = False  # nobody reads or writes any more
        self._readable: anyio.Event | None = None
        self._writable: anyio.Event | None = None
        self._handler: anyio.CancelScope | None = None
        now = table.now()
        self._heard = self._asked = now
        self._unroutable_since: float | None = None
        self._deadline: float | None = None
        self._waits_for_space = False

    def __repr__(self) -> str:
        way = "to" if self.initiated else "from"
        state = f"failed: {self._error}" if self._error else "released" * self._released or "open"
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
        return not self.initiated or self._copies > 0

    @property
    def clean(self) -> bool:
        """True where everything the other side sent has arrived."""
        return self._inbox.ended and self._error is None

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

    # --- asking

    async def __aenter__(self) -> Self:
        self._table.add(self)
        self._outbox.push(self.type, b"j", self._opening, fin=self.complete)
        self._opening = b""
        self.flush()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if not self._inbox.ended and self._error is None:
            self.cancel(ExchangeCancelled("cancelled here"))
        elif not self._outbox.closed:
            self._outbox.push("data", b"b", b"", fin=True)
            self.flush()
        self._release()

    # --- answering

    async def serve(
        self,
        handler: Callable[[Exchange], Awaitable[None]],
        report: Callable[[Exception, str], None],
    ) -> None:
        """Run the handler of an accepted exchange, and end the exchange as it ends."""
        with anyio.CancelScope() as self._handler:
            if self._error is not None:
                self._handler.cancel()
            try:
                await handler(self)
                if not self._outbox.closed and self._error is None:
                    await self.finish()
            except ExchangeFailure as failure:
                self.fail(failure)
            except ExchangeError as error:
                self.fail(ExchangeFailure("failed", str(error)))
            except Exception as error:  # noqa: BLE001 - a handler's fault boundary
                report(error, f"{self.type} handler")
                self.fail(ExchangeFailure("internal", "the handler failed"))
            finally:
                self._handler = None
                if not self._outbox.closed:
                    self.fail(ExchangeFailure("cancelled", "the handler was cancelled"))
                self._release()

    def fail(self, failure: ExchangeFailure) -> None:
        """Finish this side with an error. It gets through although credit is used up."""
        if self._outbox.closed or self._error is not None:
            return
        body: dict[str, Any] = {"code": failure.code, "message": str(failure)}
        if failure.detail is not None:
            body["detail"] = failure.detail
        if not failure.may_have_begun:
            body["begun"] = False
        self._outbox.push("error", b"j", _encode(body), fin=True)
        self.flush()

    # --- writing

    async def send(self, payload: Any) -> None:
        """Send bytes, or anything else as JSON; return when it is in the window.

        Waits while the reader at the other end is behind. Raises: ExchangeError.
        """
        if isinstance(payload, bytes | bytearray | memoryview):
            for at in range(0, len(payload), CHUNK) or (0,):
                await self._push(b"b", bytes(payload[at : at + CHUNK]), fin=False)
        else:
            await self._push(b"j", _encode(payload), fin=False)

    async def finish(self, payload: Any = b"") -> None:
        """Send the last payload of this side, if there is one, and end the direction."""
        if isinstance(payload, bytes) and len(payload) > CHUNK:
            at = (len(payload) - 1) // CHUNK * CHUNK
            await self.send(payload[:at])
            payload = payload[at:]
        if isinstance(payload, bytes):
            await self._push(b"b", payload, fin=True)
        else:
            await self._push(b"j", _encode(payload), fin=True)

    async def _push(self, kind: bytes, payload: bytes, *, fin: bool) -> None:
        if len(payload) > CHUNK:
            raise LocalProtocolError(f"a payload of {len(payload)} bytes as JSON; send bytes")
        while self._error is None and self._outbox.room() < len(payload):
            self._writable = anyio.Event()
            await self._writable.wait()
        if self._error is not None:
            raise self._error
        if self._outbox.closed:
            raise LocalProtocolError("this side of the exchange is finished")
        self._outbox.push("data", kind, payload, fin=fin)
        self.flush()

    def flush(self) -> None:
        """Put on the wire what is due, as far as route, session and lane allow."""
        outbox = self._outbox
        deadline = 0
        while (item := outbox.due()) is not None:
            if item.seq == 0 and self.initiated:
                deadline = self._milliseconds_left()
                if not self._same_instance():
                    return
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
                deadline=deadline,
                lane=self._lane,
            )
            if outcome is not Outcome.SENT:
                self._blocked(outcome)
                return
            self._unroutable_since = None
            self._copies += item.seq == 0
            outbox.advance()

    def _same_instance(self) -> bool:
        # The opening frame goes to one instance only: one that has it may have begun.
        instance = self._table.instance_of(self.peer)
        if self._copies and instance not in (None, self.instance):
            self.abort(PeerLost(f"{self.peer} restarted"))
            return False
        self.instance = instance
        return True

    def _blocked(self, outcome: Outcome) -> None:
        if outcome is Outcome.CONGESTED:
            if not self._waits_for_space:
                self._waits_for_space = True
                self._table.when_space(self.peer, self._lane, self._space)
        elif self._unroutable_since is None:
            self._unroutable_since = self._table.now()

    def _space(self) -> None:
        self._waits_for_space = False
        self.flush()

    def _milliseconds_left(self) -> int:
        if self._deadline is None:
            return 0
        return max(1, round((self._deadline - self._table.now()) * 1000))

    # --- reading

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not self._ready:
            if self._error is not None:
                raise self._error
            if self._inbox.ended:
                raise StopAsyncIteration
            self._readable = anyio.Event()
            await self._readable.wait()
        frame, cost = self._ready.popleft()
        if self._inbox.take(cost) and not self._inbox.ended:
            self._send_credit()
        return frame.payload

    async def receive(self) -> Any:
        """Return the next payload. Raises: ExchangeFailure ``ended``, if there is none."""
        async for payload in self:
            return payload
        raise ExchangeFailure("ended", f"{self.peer} ended the exchange early")

    # --- frames of the other end

    def on_frame(self, frame: Frame) -> None:
        """Take a frame of the other end. Raises: RemoteProtocolError."""
        header = frame.header
        self._heard = self._asked = self._table.now()
        self._unroutable_since = None
        if self._outbox.credit(header.ack, header.limit):
            self._credited()
        match header.type:
            case "credit":
                if header.fin:  # the answer to a probe: what it lacks was lost
                    self._outbox.rewind()
                    self.flush()
            case "probe":
                self._send_credit(answer=True)
            case "unknown":
                self._on_unknown()
            case "cancel":
                self._on_cancel(header.seq)
            case _:
                self._on_sequenced(frame)
        self._settle()

    def _on_sequenced(self, frame: Frame) -> None:
        header = frame.header
        size = len(frame.payload) if isinstance(frame.payload, bytes) else frame.size
        ready = self._inbox.receive(header.seq, frame, size, fin=header.fin)
        for item, cost in ready:
            self._arrived(item, cost)
        if self._inbox.ended or not ready:
            self._send_credit()  # the last frame, and a repeat, are acknowledged at once
        if ready:
            self._wake_reader()

    def _arrived(self, frame: Frame, cost: int) -> None:
        kind = frame.header.type
        opening = not self.initiated and frame.header.seq == 0
        if kind == "error" and not opening:
            self._fail_reader(_remote_failure(frame.payload))
        elif self._released or opening or (frame.header.fin and frame.payload == b""):
            self._inbox.take(cost)
        else:
            self._ready.append((frame, cost))

    def _on_unknown(self) -> None:
        if self._outbox.acked or self._inbox.expected or not self.initiated:
            why = f"{self.peer} no longer knows the exchange"
            self.abort(PeerLost(why, may_have_begun=True))
        else:
            self._outbox.rewind()
            self.flush()

    def _on_cancel(self, seq: int) -> None:
        self._inbox.ended = True
        self._inbox.expected = seq + 1
        self._send_credit()
        self._outbox.abandon()
        self._outbox.closed = True
        self._stop(ExchangeCancelled(f"{self.peer} cancelled"))

    def on_undeliverable(self, seq: int, reason: str) -> None:
        """Note that a relay could not pass on one of this side's frames; it is due again."""
        if seq < self._outbox.acked:
            return
        self._outbox.rewind()
        self._copies -= seq == 0 and self._copies > 0
        if reason != "congested" and self._unroutable_since is None:
            self._unroutable_since = self._table.now()
        # sent again by the tick, or when routes change: at once would only come back at once

    def _credited(self) -> None:
        if self._writable is not None and self._outbox.room() > 0:
            self._writable.set()
            self._writable = None
        self.flush()

    def _send_credit(self, *, answer: bool = False) -> None:
        self._table.transmit(
            self.peer,
            "credit",
            self.id,
            b"j",
            b"",
            re=not self.initiated,
            fin=answer,
            ack=self._inbox.expected,
            limit=self._inbox.announce(),
            lane=self._lane,
        )

    # --- time

    def resume(self, *, again: bool) -> None:
        """Send what is due; with ``again``, also what was not acknowledged."""
        if again:
            self._outbox.rewind()
        self.flush()

    def tick(self, now: float) -> None:
        """Look after an exchange that may have gone silent."""
        limits = self._table.limits
        if self._deadline is not None and now >= self._deadline and not self._released:
            self.cancel(DeadlineExceeded("the deadline passed"))
            return
        if self._outbox.due() is not None:
            self.flush()
        if self._unroutable_since is not None and now - self._unroutable_since > limits.grace:
            self.abort(
                Undeliverable(f"no route to {self.peer}", may_have_begun=self.may_have_begun)
            )
        elif now - self._heard > limits.lost:
            self.abort(PeerLost(f"{self.peer} does not answer", may_have_begun=self.may_have_begun))
        else:
            waits = self._outbox.cursor > self._outbox.acked or self._writable is not None
            if now - self._asked > (limits.probe_unacked if waits else limits.probe_idle):
                self._probe(now)

    def _probe(self, now: float) -> None:
        self._asked = now
        outcome = self._table.transmit(
            self.peer,
            "probe",
            self.id,
            b"j",
            b"",
            re=not self.initiated,
            ack=self._inbox.expected,
            limit=self._inbox.announce(),
            lane=self._lane,
        )
        if outcome is not Outcome.SENT:
            self._blocked(outcome)

    def unroutable(self, now: float) -> None:
        """Note that there is no route to the other end at the moment."""
        if self._unroutable_since is None:
            self._unroutable_since = now

    # --- ending

    def cancel(self, error: ExchangeError) -> None:
        """Give up here, and have the other side told."""
        if self._error is None and not self._released:
            self._outbox.abandon()
            self._outbox.push("cancel", b"j", b"", fin=True)
            self._inbox.ended = True
            self.flush()
            self._stop(error)

    def abort(self, error: ExchangeError) -> None:
        """Give up here, the other side being out of reach."""
        self._outbox.abandon()
        self._outbox.closed = True
        self._stop(error)
        self._table.discard(self)

    def _fail_reader(self, error: ExchangeError) -> None:
        if self._error is None:
            self._error = error

    def _stop(self, error: ExchangeError) -> None:
        self._fail_reader(error)
        self._ready.clear()
        self._wake_reader()
        if self._writable is not None:
            self._writable.set()
            self._writable = None
        if self._handler is not None:
            self._handler.cancel()

    def _wake_reader(self) -> None:
        if self._readable is not None:
            self._readable.set()
            self._readable = None

    def _release(self) -> None:
        self._released = True
        while self._ready:
            self._inbox.take(self._ready.popleft()[1])
        self._settle()

    def _settle(self) -> None:
        if self._released and self._outbox.settled and (self._inbox.ended or self._error):
            self._table.discard(self)
        elif self._released and not self._inbox.ended and self._error is None:
            self._send_credit()  # the other side's rest is read to its end, unseen


def _remote_failure(payload: Any) -> ExchangeFailure:
    if not isinstance(payload, dict):
        return ExchangeFailure("bad_error", "the other side failed, without saying how")
    return ExchangeFailure(
        str(payload.get("code", "unknown")),
        str(payload.get("message", "")),
        detail=payload.get("detail"),
        may_have_begun=payload.get("begun") is not False,
    )
