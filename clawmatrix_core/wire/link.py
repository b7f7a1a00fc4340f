"""A link: a connection whose other end has proved itself, and the pump that drives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import anyio
from anyio.lowlevel import checkpoint

from clawmatrix_core.base.errors import ConnectionLost, RemoteProtocolError
from clawmatrix_core.wire.close_codes import CloseCode
from clawmatrix_core.wire.fair import OWN
from clawmatrix_core.wire.lanes import LaneQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.wire.fair import Flow
    from clawmatrix_core.wire.rate import Rate
    from clawmatrix_core.wire.transport import Connection

__all__ = ["DRAIN_LIMIT", "Link", "LinkSession"]

DRAIN_LIMIT = 10.0
"""Seconds a link may refuse to take a message before it is closed."""

_FAIRNESS = 32
"""Messages taken in a row before other tasks get a turn."""


class LinkSession(Protocol):
    """The keys that the handshake of a link has made."""

    @property
    def id(self) -> bytes:
        """The 8 bytes that name the session at both ends."""

    @property
    def peer(self) -> NodeId:
        """The node at the other end."""

    @property
    def remote_instance(self) -> str:
        """Which run of that node the session was made with."""

    @property
    def peer_key(self) -> bytes:
        """The Ed25519 key of the record with which the session was opened."""

    @property
    def created(self) -> float:
        """When, by the clock of this node."""

    @property
    def usable(self) -> bool:
        """Whether the keys are still here."""

    def seal(self, line: bytes, plaintext: bytes) -> bytes:
        """Return the sealed body to send behind a header line."""


class Link:
    """A neighbour's link. Queues are bounded; ``enqueue`` never waits.

    Attributes:
        peer: the neighbour, proved by the handshake.
        session: the keys of this pair.
        dialled: True where this node dialled.
        instance: the neighbour's running instance; another one after it restarted.
        protocol: the protocol version both ends use.
        peer_protocol: the newest version the neighbour speaks.
        rtt: the smoothed round trip in milliseconds, None until measured.
        ahead: seconds by which the neighbour's wall clock is ahead, None until told.
        rate: how much is read from it in a second, None for no limit.
        last_received: the clock's time of the last byte that came in.
        slowed: seconds for which it was not read, since more came than the rate allows.
        lost_code: the close code the connection ended with, where it gave one.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        peer: NodeId,
        session: LinkSession,
        dialled: bool,
        instance: str,
        protocol: int = 1,
        peer_protocol: int = 1,
        drain_limit: float = DRAIN_LIMIT,
        rate: Rate | None = None,
        now: Callable[[], float] = anyio.current_time,
    ) -> None:
        self.connection = connection
        self.peer = peer
        self.session = session
        self.dialled = dialled
        self.instance = instance
        self.protocol = protocol
        self.peer_protocol = peer_protocol
        self.drain_limit = drain_limit
        self.slowed = 0.0
        self.rtt: float | None = None
        self.ahead: float | None = None
        self.opened = self.last_received = now()
        self.frames_in = self.frames_out = self.bytes_in = self.bytes_out = self.refused = 0
        self.closing: str | None = None
        self.lost_code: int | None = None
        self._close_code: int = CloseCode.NORMAL
        self._now = now
        self.rate = rate
        self._lanes = LaneQueue()
        self._wake: anyio.Event | None = None
        self._heard: anyio.Event | None = None
        self._idle: anyio.Event | None = None
        self._sending_since: float | None = None
        self._space_waiters: dict[Callable[[], None], int] = {}
        self._scope: anyio.CancelScope | None = None

    def __repr__(self) -> str:
        state = self.closing or "open"
        way = "to" if self.dialled else "from"
        return f"<Link {way} {self.peer} {state} {self._lanes!r}>"

    def enqueue(self, message: bytes, lane: int, flow: Flow = OWN) -> bool:
        """Queue a message; False where its lane is full or the link is closing.

        ``flow`` says whose it is, where this node only passes it on.
        """
        if self.closing is not None:
            return False
        # While the send loop waits nothing is queued, so nothing is overtaken.
        if self._wake is not None and self.connection.send_now(message):
            self._count_sent(message)
            return True
        if not self._lanes.enqueue(message, lane, flow):
            return False
        if self._wake is not None:
            self._wake.set()
            self._wake = None
        return True

    @property
    def waiting(self) -> int:
        """How many messages wait to be sent, the one that is being sent among them."""
        return len(self._lanes) + (self._sending_since is not None)

    @property
    def end_code(self) -> int:
        """The close code that the link ended with, whichever end gave it."""
        return self._close_code if self.lost_code is None else self.lost_code

    def when_space(self, lane: int, call: Callable[[], None]) -> None:
        """Call once, when the lane has space again; asking twice changes nothing.

        Never called after the link closed.
        """
        if self.closing is None:
            self._space_waiters[call] = lane

    def stalled_for(self) -> float:
        """Return for how many seconds the connection has not taken the message in hand."""
        return 0.0 if self._sending_since is None else self._now() - self._sending_since

    async def heard(self) -> None:
        """Return when the next message has come in, or the link closes."""
        if self.closing is None:
            if self._heard is None:
                self._heard = anyio.Event()
            await self._heard.wait()

    async def drained(self) -> None:
        """Return when nothing waits to be sent, or the link closes."""
        while self.waiting and self.closing is None:
            if self._idle is None:
                self._idle = anyio.Event()
            await self._idle.wait()

    def close(self, reason: str, code: int = CloseCode.NORMAL) -> None:
        """Close the link: queued messages are dropped and ``run`` returns the reason."""
        if self.closing is None:
            self.closing = reason
            self._close_code = code
            self._tell_heard()
            self._tell_idle()
            if self._scope is not None:
                self._scope.cancel()

    async def run(
        self, deliver: Callable[[Link, bytes], None], over: Callable[[], None] = lambda: None
    ) -> str:
        """Carry messages until the link closes; return why it did.

        ``deliver`` must not wait. A RemoteProtocolError out of it closes the link. ``over`` is
        called when nothing more is carried: after that the connection may take its time to close.
        """
        try:
            async with anyio.create_task_group() as tasks:
                self._scope = tasks.cancel_scope
                if self.closing is None:
                    tasks.start_soon(self._send_loop)
                    await self._receive_loop(deliver)
                tasks.cancel_scope.cancel()
        finally:
            self.close("the node stopped")
            self._space_waiters.clear()
            over()
            with anyio.CancelScope(shield=True):
                await self.connection.close(self._close_code, self.closing or "")
        return self.closing or ""

    async def _receive_loop(self, deliver: Callable[[Link, bytes], None]) -> None:
        receive, rate = self.connection.receive, self.rate
        count = 0
        try:
            while True:
                message = await receive()
                now = self.last_received = self._now()
                self.frames_in += 1
                self.bytes_in += len(message)
                if self._heard is not None:
                    self._tell_heard()
                deliver(self, message)
                count += 1
                if rate is not None and (wait := rate.spend(now, len(message))) > 0:
                    self.slowed += wait
                    await anyio.sleep(wait)
                elif count % _FAIRNESS == 0:
                    await checkpoint()
        except ConnectionLost as error:
            self._lost(error)
        except RemoteProtocolError as error:
            self.refused += 1
            self.close(str(error), CloseCode.PROTOCOL)

    async def _send_loop(self) -> None:
        send = self.connection.send
        pop = self._lanes.pop
        try:
            while True:
                message = pop()
                if message is None:
                    self._tell_idle()
                    self._wake = anyio.Event()
                    await self._wake.wait()
                    continue
                self._sending_since = self._now()
                await send(message)
                self._sending_since = None
                self._count_sent(message)
                if self._space_waiters:
                    self._tell_waiters()
        except ConnectionLost as error:
            self._lost(error)

    def _count_sent(self, message: bytes) -> None:
        self.frames_out += 1
        self.bytes_out += len(message)

    def _lost(self, error: ConnectionLost) -> None:
        if self.closing is None:
            self.lost_code = error.code
        self.close(str(error))

    def _tell_heard(self) -> None:
        if self._heard is not None:
            self._heard.set()
            self._heard = None

    def _tell_idle(self) -> None:
        if self._idle is not None:
            self._idle.set()
            self._idle = None

    def _tell_waiters(self) -> None:
        ready = [call for call, lane in self._space_waiters.items() if self._lanes.has_space(lane)]
        for call in ready:
            del self._space_waiters[call]
        for call in ready:
            call()
