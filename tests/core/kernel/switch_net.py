"""Switches joined by links, whose messages a test lets arrive."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from clawmatrix_core.base.errors import RemoteProtocolError
from clawmatrix_core.base.local import Local
from clawmatrix_core.base.log import RateLimitedLogger
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.kernel.scope import PluginScope
from clawmatrix_core.kernel.stack import Stack
from clawmatrix_core.sessions.session import Session
from clawmatrix_core.wire.codec import with_ttl
from clawmatrix_core.wire.link import Link
from clawmatrix_core.wire.routes import Route
from clawmatrix_core.wire.transport import Connection
from clawmatrix_core.wire.ways import Ways
from tests.core.members.members import Member

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.base.faults import Fault
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.wire.frames import Frame, Transit

PSK = bytes(range(32))
HOME, OFFICE, RELAY, LAB = (NodeId(name) for name in ("home", "office", "relay", "lab"))


class Nowhere(Connection):
    """A connection for links whose messages are carried by hand."""

    remote = "nowhere"

    async def send(self, message: bytes) -> None:
        await anyio.sleep_forever()

    async def receive(self) -> bytes:
        await anyio.sleep_forever()
        raise AssertionError

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await checkpoint()


class Station:
    """A node of which there is only what carries frames; its hooks note what they get."""

    def __init__(self, net: Net, name: str, run: int = 1) -> None:
        self.net = net
        self.member = Member(name, now=lambda: net.now)
        self.name: NodeId = self.member.name
        self.instance = f"{name}{run}"
        self.counters: Counter[str] = Counter()
        self.frames: list[Frame] = []
        self.transits: list[Transit] = []
        self.relays = False
        self.takes = True
        self.handlers: dict[str, Callable[[Exchange], Awaitable[None]]] = {}
        self.faults: list[Fault] = []
        self.scope = PluginScope("tests", self.faults.append)
        local = Local(
            self.name,
            self.instance,
            now=lambda: net.now,
            wall=lambda: 1_760_000_000.0,
            new_id=net.new_id,
            counters=self.counters,
        )
        self.stack = Stack(
            local,
            Ways(),
            identity=self.member.identity,
            psks=lambda: (PSK,),
            directory=self.member.directory,
            hooks=self,
            log=RateLimitedLogger(logging.getLogger("clawmatrix.switch"), clock=lambda: net.now),
        )
        self.ways, self.sessions = self.stack.ways, self.stack.sessions
        self.switch, self.exchanges = self.stack.switch, self.stack.exchanges

    def frame(self, frame: Frame) -> bool:
        """Take a frame, as plugins do."""
        handler = self.handlers.get(frame.header.type)
        if handler is not None:
            return self.exchanges.accept(frame, handler, self.scope)
        self.frames.append(frame)
        return self.takes

    def transit(self, transit: Transit) -> bool:
        """Pass a frame on, as a relay does."""
        self.transits.append(transit)
        link = self.switch.next_link(transit.header.to)
        if not self.relays or link is None:
            return False
        wire = transit.wire
        return link.enqueue(with_ttl(wire.message, wire.ttl - 1), transit.header.lane)

    def link(self, peer: str) -> Link:
        """Return the link to a neighbour."""
        return next(link for name, link in self.ways.links.items() if name == peer)

    def take(self, message: bytes, by: str) -> None:
        """Have a message arrive by the link of a neighbour."""
        self.switch.on_message(self.link(by), message)


class Net:
    """The stations, by name, and the clock."""

    def __init__(self, *names: str) -> None:
        self.now = 100.0
        self._ids = iter(range(10**6))
        self.stations = {name: Station(self, name) for name in names}
        for one in self.stations.values():
            one.member.meet(*(other.member for other in self.stations.values() if other is not one))

    def __getitem__(self, name: str) -> Station:
        return self.stations[name]

    def new_id(self) -> str:
        """Return a fresh word."""
        return f"id{next(self._ids)}"

    def join(self, first: str, second: str) -> None:
        """Link two stations."""
        one, other = self[first], self[second]
        id_ = f"{first}{second}".encode().ljust(8, b"-")[:8]
        keys = id_ * 4, id_[::-1] * 4
        for station, peer, (send, receive) in ((one, other, keys), (other, one, keys[::-1])):
            key = peer.member.identity.sign_public
            session = Session(id_, peer.name, send, receive, peer.instance, self.now, key)
            station.ways.links[peer.name] = Link(
                Nowhere(),
                peer=peer.name,
                session=session,
                dialled=True,
                instance=peer.instance,
                now=lambda: self.now,
            )
            station.sessions.add_link(session)

    def waiting(self, source: str, target: str) -> list[bytes]:
        """Take what waits on the link from one station to another."""
        lanes = self[source].link(target)._lanes
        messages = []
        while (message := lanes.pop()) is not None:
            messages.append(message)
        return messages

    def carry(self) -> bool:
        """Let all that waits arrive, and what comes of it; say whether there was anything."""
        moved = False
        again = True
        while again:
            again = False
            for source, station in self.stations.items():
                for target in tuple(station.ways.links):
                    for message in self.waiting(source, target):
                        self[target].take(message, source)
                        again = moved = True
        return moved

    async def settle(self) -> None:
        """Let happen all that happens before time passes."""
        quiet = 0
        while quiet < 8:
            await checkpoint()
            quiet = 0 if self.carry() else quiet + 1
            if quiet == 8 - 1:
                for station in self.stations.values():
                    station.exchanges.acknowledgements.flush()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, tick by tick."""
        until = self.now + seconds - 1e-9
        await self.settle()
        while self.now < until:
            self.now += 0.25
            for station in self.stations.values():
                station.exchanges.tick()
                station.sessions.tick()
            await self.settle()

    def fails_with(self, name: str, message: bytes, by: str) -> str:
        """Have a message arrive that costs the link; return why."""
        try:
            self[name].take(message, by)
        except RemoteProtocolError as error:
            return error.reason
        raise AssertionError("it was taken")


def neighbours() -> tuple[Net, Station, Station]:
    """Return home and office, with a link between them."""
    net = Net("home", "office")
    net.join("home", "office")
    return net, net["home"], net["office"]


def over_a_relay() -> Net:
    """Return home and office, who reach each other through a relay only."""
    net = Net("home", "relay", "office")
    net.join("home", "relay")
    net.join("relay", "office")
    net["relay"].relays = True
    net["home"].ways.routes = {OFFICE: Route(RELAY, 1.0, 2)}
    net["office"].ways.routes = {HOME: Route(RELAY, 1.0, 2)}
    return net
