"""The network between simulated hosts, on whatever clock its event loop has.

One task delivers everything, from one heap: a hundred hosts cost no more tasks than two.
"""

from __future__ import annotations

import errno
import heapq
import math
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

import anyio
import attrs
from anyio.lowlevel import checkpoint

from clawmatrix_core.base.bell import Bell
from clawmatrix_core.base.errors import ConnectionLost, DialError
from clawmatrix_core.testing.memory import MemoryListener, name_of
from clawmatrix_core.testing.simulation.flow import EndOfFlow, Flow, SimConnection
from clawmatrix_core.wire.transport import Connection, Listener, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from random import Random

    from clawmatrix_core.wire.transport import Objection

__all__ = ["Quality", "SimNetwork", "Tamper"]

Tamper: TypeAlias = "Callable[[str, str, bytes], tuple[float, ...]]"
"""Asked of each message, with its source and target, by how many seconds each copy of it that
arrives is late: ``(0.0,)`` leaves it alone, ``()`` loses it, ``(0.0, 2.0)`` lets it come twice."""


@attrs.frozen
class Quality:
    """How messages from one host to another fare.

    Attributes:
        delay: seconds each takes at least.
        jitter: seconds that are added at random, at most.
        drop: the probability that one is lost.
        reorder: the probability that those behind one may overtake it.
    """

    delay: float = 0.01
    jitter: float = 0.0
    drop: float = 0.0
    reorder: float = 0.0


class _SimTransport(Transport):
    """The network, for one run of a host's process; a crash ends it for good."""

    schemes = ("memory",)

    def __init__(self, network: SimNetwork, node: str, run: int) -> None:
        self._network = network
        self.node = node
        self.run = run

    async def dial(self, address: str) -> Connection:
        limit = self._network.dial_timeout
        try:
            with anyio.fail_after(limit):
                return await self._network.connect(self, address)
        except ValueError as error:
            raise DialError(str(error)) from None
        except TimeoutError:
            raise DialError(f"no answer from {address} within {limit:g} s") from None

    async def dial_advertised(self, address: str, objection: Objection) -> Connection:
        return await self.dial(address)

    @asynccontextmanager
    async def listen(self, address: str) -> AsyncIterator[Listener]:
        listener = self._network.bind(self, address)
        try:
            yield listener
        finally:
            self._network.unbind(address, listener)
            listener.close()


class SimNetwork:
    """The network between simulated hosts.

    A connection keeps the order of messages and loses none, as TCP does, unless its
    Quality says otherwise. Where a direction is blocked, messages and closings stall and
    arrive after the block, and dials wait.

    Attributes:
        default: the Quality of pairs that have no other.
        dial_timeout: seconds after which a dial gives up.
        tamper: what becomes of single messages, beside what their Quality says. What is late
            does not hold up those behind it.
    """

    def __init__(
        self,
        rng: Random,
        trace: list[tuple[object, ...]],
        *,
        now: Callable[[], float] = anyio.current_time,
    ) -> None:
        self.default = Quality()
        self.dial_timeout = 10.0
        self.tamper: Tamper | None = None
        self._now = now
        self._random = rng
        self._trace = trace
        self._qualities: dict[tuple[str, str], Quality] = {}
        self._blocked: set[tuple[str, str]] = set()
        self._groups: dict[str, int] = {}
        self._runs: dict[str, int] = {}
        self._dark: set[str] = set()
        self._hosts: dict[str, str] = {}
        self._listeners: dict[str, MemoryListener] = {}
        self._flows: dict[int, Flow] = {}
        self._numbers = count(1)
        self._agenda: list[tuple[float, int, Flow, bytes | EndOfFlow | None]] = []
        self._order = count()
        self._nap: anyio.CancelScope | None = None
        self._changed = Bell()

    def transport(self, node: str) -> Transport:
        """Return a host's transport. After a crash, this is the host's restart."""
        self._restart(node)
        return _SimTransport(self, node, self._runs.setdefault(node, 0))

    def set_quality(self, a: str, b: str, quality: Quality, *, one_way: bool = False) -> None:
        """Set how messages fare from ``a`` to ``b``, and back unless ``one_way``."""
        for pair in _pairs(a, b, one_way=one_way):
            self._qualities[pair] = quality

    def block(self, a: str, b: str, *, one_way: bool = False) -> None:
        """Let nothing pass from ``a`` to ``b``, nor back unless ``one_way``."""
        self._note("block", a, b, one_way)
        self._blocked.update(_pairs(a, b, one_way=one_way))

    def unblock(self, a: str, b: str, *, one_way: bool = False) -> None:
        """End what ``block`` began."""
        self._note("unblock", a, b, one_way)
        self._blocked.difference_update(_pairs(a, b, one_way=one_way))
        self._release()

    def partition(self, groups: Iterable[Iterable[str]]) -> None:
        """Let nothing pass between groups, in place of an earlier partition.

        Hosts that are in no group form one more.
        """
        self._groups = {node: index for index, group in enumerate(groups) for node in group}
        self._note("partition", tuple(sorted(self._groups.items())))
        self._release()

    def heal(self) -> None:
        """End the partition and all blocks."""
        self._note("heal")
        self._groups = {}
        self._blocked.clear()
        self._release()

    def break_links(self, a: str, b: str) -> None:
        """Break the connections between two hosts: both see an error, at once."""
        for flow in list(self._flows.values()):
            if {flow.source, flow.target} == {a, b}:
                self._note("broken", flow.source, flow.target, flow.number)
                del self._flows[flow.number]
                for way in (flow, flow.back):
                    way.cut = True
                    way.end_source(_reset())

    def crash(self, node: str, *, silent: bool = False) -> None:
        """End a host's process: it neither listens nor sends any more.

        The other ends of its connections see a reset, or nothing at all where ``silent``.
        At the node all connections are lost; its tasks are the scenario's to cancel.
        """
        self._note("crash", node, silent)
        self._runs[node] = self._runs.get(node, 0) + 1
        for name in [name for name in self._listeners if self._hosts[name] == node]:
            del self._listeners[name]
        if silent:
            self._dark.add(node)
        for way in self._ways():
            if way.source == node:
                way.end_source(_reset())
                way.back.orphaned = True
                if not silent:
                    self.ship(way, EndOfFlow(_reset(), discard=True))
        self._changed.ring()

    def is_blocked(self, source: str, target: str) -> bool:
        """Whether what one host sends to another stalls now."""
        return (source, target) in self._blocked or (
            self._groups.get(source) != self._groups.get(target)
        )

    async def run(self) -> None:
        """Deliver, in the order of time, until cancelled."""
        while True:
            self._deliver_due()
            due = self._agenda[0][0] if self._agenda else math.inf
            with anyio.CancelScope(deadline=due) as self._nap:
                await anyio.sleep_forever()

    def bind(self, transport: _SimTransport, address: str) -> MemoryListener:
        """Return a new listener. Raises: OSError."""
        try:
            name = name_of(address)
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error)) from None
        if self._runs[transport.node] != transport.run:
            raise OSError(errno.ENETDOWN, f"the process of {transport.node} has crashed")
        if name in self._listeners:
            raise OSError(errno.EADDRINUSE, f"{address} is in use")
        self._note("listen", transport.node, name)
        self._hosts[name] = transport.node
        listener = self._listeners[name] = MemoryListener(address)
        return listener

    def unbind(self, address: str, listener: MemoryListener) -> None:
        """Take a listener away, where a crash has not done so."""
        name = name_of(address)
        if self._listeners.get(name) is listener:
            del self._listeners[name]

    async def connect(self, transport: _SimTransport, address: str) -> Connection:
        """Return a connection, after a round trip. Raises: DialError, ValueError."""
        name, source = name_of(address), transport.node
        target = self._hosts.get(name, name)
        await self._round_trip(transport, target)
        listener = self._listeners.get(name)
        ours, theirs = self._pair(source, target, address)
        if listener is None or not listener.admit(theirs):
            self._note("refused", source, target)
            raise DialError(f"connection refused by {address} (is a node listening there?)")
        self._flows[ours.flow.number] = ours.flow
        self._note("open", source, target, ours.flow.number)
        return ours

    def ship(self, flow: Flow, item: bytes | EndOfFlow) -> None:
        """Send a message, or the end, on its way."""
        if isinstance(item, EndOfFlow):
            delay = self._delay(flow.source, flow.target)
            due = max(self._now() + delay, flow.ordered, flow.latest)
            self._set_out(flow, item, due)
            return
        late = (0.0,) if self.tamper is None else self.tamper(flow.source, flow.target, item)
        if late != (0.0,):
            self._note("tampered", flow.source, flow.target, flow.number, late)
        if not late:
            self._lose(flow, item)
        for number, seconds in enumerate(late):
            if number:
                flow.pipe.hold(len(item))
            self._ship(flow, item, seconds)

    def _ship(self, flow: Flow, message: bytes, late: float) -> None:
        quality = self._quality(flow.source, flow.target)
        due = max(self._now() + self._delay(flow.source, flow.target), flow.ordered)
        if quality.drop and self._random.random() < quality.drop:
            self._lose(flow, message)
            return
        if late:
            due += late
        elif quality.reorder and self._random.random() < quality.reorder:
            due += self._random.uniform(0.5, 3.0) * (quality.delay + quality.jitter)
        else:
            flow.ordered = due
        self._set_out(flow, message, due)

    def _set_out(self, flow: Flow, item: bytes | EndOfFlow, due: float) -> None:
        flow.latest = max(flow.latest, due)
        self._plan(due, flow, item)

    def _lose(self, flow: Flow, message: bytes) -> None:
        flow.pipe.release(len(message))
        self._note("lost", flow.source, flow.target, flow.number, len(message))

    async def _round_trip(self, transport: _SimTransport, target: str) -> None:
        source = transport.node
        await checkpoint()
        while True:
            while self._unreachable(source, target) and self._runs[source] == transport.run:
                await self._changed.wait()
            await anyio.sleep(self._delay(source, target) + self._delay(target, source))
            if self._runs[source] != transport.run:
                raise DialError(f"the process of {source} has crashed")
            if not self._unreachable(source, target):
                return

    def _pair(self, source: str, target: str, address: str) -> tuple[SimConnection, SimConnection]:
        number = next(self._numbers)
        there, back = Flow(number, source, target), Flow(number, target, source)
        there.back, back.back = back, there
        dialler = f"memory://{source}#{number}"
        return SimConnection(self.ship, address, there), SimConnection(self.ship, dialler, back)

    def _plan(self, due: float, flow: Flow, item: bytes | EndOfFlow | None) -> None:
        heapq.heappush(self._agenda, (due, next(self._order), flow, item))
        if self._nap is not None and due < self._nap.deadline:
            self._nap.deadline = due

    def _deliver_due(self) -> None:
        agenda, now = self._agenda, self._now()
        while agenda and agenda[0][0] <= now:
            _, _, flow, item = heapq.heappop(agenda)
            if item is not None:
                flow.stalled.append(item)
            # What has stalled goes first; the end of a block is planned as None.
            while flow.stalled and not self.is_blocked(flow.source, flow.target):
                self._arrive(flow, flow.stalled.popleft())
            if flow.stalled and item is not None:
                self._note("stalled", flow.source, flow.target, flow.number)

    def _arrive(self, flow: Flow, item: bytes | EndOfFlow) -> None:
        if flow.cut:
            return
        if flow.orphaned:
            self._note("lost", flow.source, flow.target, flow.number)
            self._refuse(flow)
        elif isinstance(item, EndOfFlow):
            self._note("ended", flow.source, flow.target, flow.number, str(item.lost))
            self._flows.pop(flow.number, None)
            flow.back.end_source(item.lost, discard=item.discard)
        else:
            self._note("delivered", flow.source, flow.target, flow.number, len(item))
            flow.pipe.arrive(item)

    def _refuse(self, flow: Flow) -> None:
        """Answer for a process that is gone, if its host is up, with a reset."""
        if flow.target not in self._dark and not flow.cut:
            flow.cut = True
            self.ship(flow.back, EndOfFlow(_reset(), discard=True))

    def _restart(self, node: str) -> None:
        if node in self._dark:
            self._note("restart", node)
            self._dark.discard(node)
            for flow in self._ways():
                # Its end of this connection is gone, and the other end sends again.
                if flow.target == node and flow.orphaned and flow.pipe.holds:
                    self._refuse(flow)
            self._changed.ring()

    def _release(self) -> None:
        now = self._now()
        for flow in self._ways():
            if flow.stalled and not self.is_blocked(flow.source, flow.target):
                self._plan(now + self._delay(flow.source, flow.target), flow, None)
        self._changed.ring()

    def _ways(self) -> list[Flow]:
        return [way for flow in self._flows.values() for way in (flow, flow.back)]

    def _unreachable(self, source: str, target: str) -> bool:
        return (
            target in self._dark
            or self.is_blocked(source, target)
            or self.is_blocked(target, source)
        )

    def _quality(self, source: str, target: str) -> Quality:
        return self._qualities.get((source, target), self.default)

    def _delay(self, source: str, target: str) -> float:
        quality = self._quality(source, target)
        return quality.delay + (self._random.random() * quality.jitter if quality.jitter else 0.0)

    def _note(self, event: str, *details: object) -> None:
        self._trace.append((self._now(), event, *details))


def _pairs(a: str, b: str, *, one_way: bool) -> tuple[tuple[str, str], ...]:
    return ((a, b),) if one_way else ((a, b), (b, a))


def _reset() -> ConnectionLost:
    return ConnectionLost("connection reset")
