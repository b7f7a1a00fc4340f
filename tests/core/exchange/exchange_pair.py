"""Two tables of exchanges, joined by a path that a test can make as bad as it likes.

Time stands still but for ``Pair.run`` and ``Pair.pass_time``, which let everything happen
that can happen before each tick of the clock.
"""

from __future__ import annotations

from collections import Counter, deque
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import anyio
import attrs
from anyio.lowlevel import checkpoint

from clawmatrix_core.base.errors import ExchangeError, ExchangeFailure
from clawmatrix_core.base.local import Local
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.exchange.carrier import Outcome
from clawmatrix_core.exchange.exchanges import Exchanges
from clawmatrix_core.exchange.limits import ExchangeLimits
from clawmatrix_core.kernel.scope import PluginScope
from clawmatrix_core.wire.codec import Header, Lane, payload_of
from clawmatrix_core.wire.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random
    from types import TracebackType
    from typing import Self

    from clawmatrix_core.base.faults import Fault
    from clawmatrix_core.exchange.endpoint import Endpoint
    from clawmatrix_core.exchange.exchange import Exchange

HOME, OFFICE = NodeId("home"), NodeId("office")
QUIET = 8
"""Turns of the event loop without a frame after which nothing more happens by itself."""
PATIENCE = 90.0
"""Virtual seconds in which whatever a test runs has to end."""


@attrs.frozen
class Sent:
    """A frame on the path."""

    number: int
    header: Header
    kind: bytes
    payload: bytes

    @property
    def name(self) -> str:
        """How tests speak of it."""
        return f"{self.header.source} {self.header.type} {self.header.seq}"


def key_of(name: str) -> bytes:
    """Return the key of a side."""
    return name.encode().ljust(32, b".")


class Side:
    """One node: its table, and the plugin whose handlers answer."""

    def __init__(self, pair: Pair, name: NodeId, peer: NodeId, limits: ExchangeLimits) -> None:
        self.pair = pair
        self.name = name
        self.peer = peer
        self.limits = limits
        self.instance = f"{name}1"
        self.peer_instance: str | None = f"{peer}1"
        self.peer_key = key_of(peer)
        self.routed = True
        self.congested = False
        self.waiters: list[Callable[[], None]] = []
        self.handlers: dict[str, Callable[[Exchange], Awaitable[None]]] = {}
        self.started: list[tuple[str, Any]] = []
        self.faults: list[Fault] = []
        self.counters: Counter[str] = Counter()
        self.scope = PluginScope("tests", self.faults.append)
        self.table = self.make_table()

    def make_table(self) -> Exchanges:
        """Return a new table, as after a start."""
        local = Local(
            self.name,
            self.instance,
            now=lambda: self.pair.now,
            wall=lambda: 0.0,
            new_id=lambda: f"{self.name}-{next(self.pair.ids)}",
            counters=self.counters,
        )
        return Exchanges(local, self, self.limits)

    def instance_of(self, peer: NodeId) -> str | None:
        """Say which run of the other side frames reach."""
        return self.peer_instance

    def key_of(self, peer: NodeId) -> bytes | None:
        """Say under which key frames go to the other side."""
        return None if self.peer_instance is None else self.peer_key

    def when_space(self, peer: NodeId, lane: Lane, call: Callable[[], None]) -> None:
        """Keep a call until there is space."""
        self.waiters.append(call)

    def report(self, who: NodeId, reason: str, message: str) -> None:
        """Count something refused."""
        self.counters[reason] += 1

    def transmit(
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
    ) -> Outcome:
        """Put a frame on the path, as a switch would."""
        if not self.routed:
            return Outcome.NO_ROUTE
        if self.peer_instance is None:
            return Outcome.NO_SESSION
        if self.congested:
            return Outcome.CONGESTED
        header = Header(
            type_, id_, self.name, to, 0, "sealed", seq, re, fin, ack, limit, deadline, lane.value
        )
        self.pair.put(header, kind, payload)
        return Outcome.SENT

    def deliver(self, header: Header, kind: bytes, payload: bytes) -> None:
        """Take a frame from the path, as a switch would."""
        value, data = payload_of(kind, payload)
        frame = Frame(header, value, None, len(payload), data, self.peer_key)
        if self.table.deliver(frame):
            return
        handler = self.handlers.get(header.type)
        if handler is None:
            self.table.refuse(frame, "unknown_type", f"{self.name} has no {header.type!r}")
        else:
            self.table.accept(frame, self._noting(handler), self.scope)

    def _noting(
        self, handler: Callable[[Exchange], Awaitable[None]]
    ) -> Callable[[Exchange], Awaitable[None]]:
        async def noted(ex: Exchange) -> None:
            self.started.append((ex.id, ex.request))
            await handler(ex)

        return noted

    def space(self) -> None:
        """Say that the lanes have space again."""
        self.congested = False
        waiters, self.waiters = self.waiters, []
        for call in waiters:
            call()

    def end_of(self, ex: Exchange) -> Endpoint:
        """Return this side's end of an exchange."""
        return next(end for end in self.table.live if end.envelope.id == ex.id)

    def is_idle(self) -> bool:
        """Say whether nothing is left of any exchange but remembered numbers."""
        return not self.table.live and not self.table._per_peer


class Pair:
    """Home, which asks, and office, which answers: ``async with Pair() as pair``.

    Attributes:
        now: the time.
        log: every frame that was sent.
        flying: those that are on their way.
        drop: says of a frame whether it is lost.
        random: where set, frames arrive in any order and some arrive twice.
    """

    def __init__(self, **limits: Any) -> None:
        self.now = 1000.0
        self.ids = iter(range(10**6))
        self.log: list[Sent] = []
        self.flying: deque[Sent] = deque()
        self.drop: Callable[[Sent], bool] = lambda _: False
        self.random: Random | None = None
        chosen = ExchangeLimits(**limits)
        self.home = Side(self, HOME, OFFICE, chosen)
        self.office = Side(self, OFFICE, HOME, chosen)
        self.sides = {HOME: self.home, OFFICE: self.office}

    async def __aenter__(self) -> Self:
        self._stack = await AsyncExitStack().__aenter__()
        for side in self.sides.values():
            await self._stack.enter_async_context(side.scope)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    # --- the path

    def put(self, header: Header, kind: bytes, payload: bytes) -> None:
        """Send a frame on its way, or lose it."""
        sent = Sent(len(self.log), header, kind, payload)
        self.log.append(sent)
        if not self.drop(sent):
            self.flying.append(sent)

    def deliver_one(self) -> Sent:
        """Let the next frame arrive; any of them, where the path is random."""
        if self.random is None:
            sent = self.flying.popleft()
        else:
            sent = self.random.choice(self.flying)
            if self.random.random() < 0.8:
                self.flying.remove(sent)
        self.arrive(sent)
        return sent

    def arrive(self, sent: Sent) -> None:
        """Let a frame arrive, maybe not for the first time."""
        self.sides[sent.header.to].deliver(sent.header, sent.kind, sent.payload)

    def report(self, sent: Sent, reason: str = "no_route") -> None:
        """Tell the origin that a relay could not pass a frame on."""
        header = sent.header
        self.sides[header.source].table.undeliverable(
            header.to, header.id, re=header.re, seq=header.seq, reason=reason
        )

    def frames(self, type_: str) -> list[Sent]:
        """Return the frames of a type that were sent."""
        return [sent for sent in self.log if sent.header.type == type_]

    # --- time

    async def settle(self) -> None:
        """Let happen all that happens before time passes."""
        quiet = 0
        while quiet < QUIET:
            before = len(self.log)
            await checkpoint()
            if self.flying:
                self.deliver_one()
                quiet = 0
            else:
                quiet = quiet + 1 if len(self.log) == before else 0
            if quiet == QUIET - 1:
                for side in self.sides.values():
                    side.table.acknowledgements.flush()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, tick by tick."""
        until = self.now + seconds - 1e-9
        await self.settle()
        while self.now < until:
            self.now += 0.25
            for side in self.sides.values():
                side.table.tick()
            await self.settle()

    async def run(self, script: Callable[[Pair], Awaitable[Any]]) -> Any:
        """Run a script to its end, however long it takes; return what it ended with.

        That is what it returned, or the ExchangeError it raised.
        """
        ended: list[Any] = []

        async def task() -> None:
            try:
                ended.append(await script(self))
            except ExchangeError as error:
                ended.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(task)
            await self.until(lambda: bool(ended))
            tasks.cancel_scope.cancel()
        return ended[0]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until a condition holds."""
        await self.settle()
        limit = self.now + PATIENCE
        while not condition():
            assert self.now < limit, f"still going on: {self.home.table.live}"
            await self.pass_time(0.25)

    async def wind_down(self) -> None:
        """Let everything end that a script left; nothing may remain."""
        await self.until(lambda: all(side.is_idle() for side in self.sides.values()))
        assert not self.home.faults
        assert not self.office.faults

    # --- what happens around them

    def restart_office(self) -> None:
        """Have office start anew: nothing is left of it, nor of what was on its way."""
        self.flying.clear()
        self.office.table.abandon()
        self.office.table = self.office.make_table()
        self.office.instance = "office2"

    def meet_again(self) -> None:
        """Have home learn that office runs anew, as a new session tells it."""
        self.home.peer_instance = self.office.instance
        self.home.table.lose(OFFICE, self.office.instance, key_of(OFFICE), "restarted")
        self.home.table.flush(OFFICE)


class Gate:
    """A handler that does what the test tells it, and notes how it ended."""

    def __init__(self) -> None:
        self.exchange: Exchange
        self.leave = anyio.Event()
        self._cancelled = False
        self.error: ExchangeError | None = None
        self.read: list[Any] = []

    def cancelled(self) -> bool:
        """Say whether the handler was cancelled."""
        return self._cancelled

    async def wait(self, ex: Exchange) -> None:
        """Do nothing until told to leave."""
        self.exchange = ex
        try:
            await self.leave.wait()
        except anyio.get_cancelled_exc_class():
            self._cancelled = True
            raise

    async def listen(self, ex: Exchange) -> None:
        """Read to the end."""
        self.exchange = ex
        try:
            async for payload in ex:
                self.read.append(payload)
        except ExchangeError as error:
            self.error = error
            raise
        except anyio.get_cancelled_exc_class():
            self._cancelled = True
            raise


async def serve_one(
    pair: Pair, handler: Callable[[Exchange], Awaitable[None]], **opening: Any
) -> Exchange:
    """Have office answer ``it`` with the handler; open it, and let it arrive."""
    pair.office.handlers["it"] = handler
    ex = await pair.home.table.open(OFFICE, "it", **opening).__aenter__()
    await pair.settle()
    return ex


async def leave(pair: Pair, *exchanges: Exchange) -> None:
    """Leave exchanges as ``async with`` does; nothing may be left of them."""
    for ex in exchanges:
        await ex.__aexit__(None, None, None)
    await pair.wind_down()


def of_type(*types: str) -> Callable[[Sent], bool]:
    """Lose frames of these types."""
    return lambda sent: sent.header.type in types


def summary(outcome: Any) -> Any:
    """Return an outcome in a form that can be compared."""
    if isinstance(outcome, ExchangeFailure):
        return (type(outcome), outcome.code, str(outcome), outcome.may_have_begun)
    if isinstance(outcome, ExchangeError):
        return (type(outcome), str(outcome), outcome.may_have_begun)
    return outcome
