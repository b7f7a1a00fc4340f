"""What a simulation came to: all that must not have happened, and nothing left over."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core.base.errors import RemoteProtocolError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.wire.codec import decode_header, split
from tests.simulation.injector import Injector
from tests.simulation.ledger import Ledger
from tests.simulation.mesh import comes_true
from tests.simulation.traffic import FlowPlugin
from tests.simulation.wiretap import Wiretap

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.simulation import Simulation
    from clawmatrix_core.wire.codec import Header, Wire
    from clawmatrix_core.wire.routes import PathStatus
    from tests.simulation.mesh import Host, Mesh
    from tests.simulation.misfortunes import Misfortunes
    from tests.simulation.schedule import Schedule

__all__ = ["Outcome", "Scene", "check", "judge", "left_over", "tasks_alive"]

QUIET = 60.0
"""Seconds after the last stream in which no trace of an exchange may be left."""
MOST_VISITS = 4
"""How often one message may come by one relay, while routes change under it."""
MOST_SESSIONS = 6
"""Sessions that a node may keep with one other: in use, replaced, and half-open ones."""


@attrs.frozen
class Outcome:
    """What a schedule came to.

    Attributes:
        wrong: what must not have happened, in words.
        ledger: the traffic's.
        ttl_ended: frames that went round until their ttl was used up.
        most_visits: how often one message came by one relay, at most.
        relayed: messages that were passed on, in all.
        frames: messages on the network, in all.
        sessions: sessions that were used.
        seconds: the virtual time.
        looks: how often all statuses were compared with the truth.
        statuses: what nodes said then, each of another.
        nodes: how many there were.
        done: how often which misfortune came.
        injected: how often which kind of message suffered which fault.
    """

    wrong: list[str]
    ledger: Ledger
    ttl_ended: int
    most_visits: int
    relayed: int
    frames: int
    sessions: int
    seconds: float
    looks: int
    statuses: list[tuple[str, str, PathStatus]]
    nodes: int
    done: Counter[str]
    injected: Counter[tuple[str, str]]


class Scene:
    """Traffic on a simulated network, what hears it, and what happens to its messages."""

    def __init__(self, simulation: Simulation) -> None:
        self.ledger = Ledger()
        self.injector = Injector()
        self.wiretap = Wiretap()
        self.flows: dict[str, FlowPlugin] = {}
        simulation.network.tamper = self._tamper

    def _tamper(self, source: str, target: str, message: bytes) -> tuple[float, ...]:
        frame = _frame_of(message)
        self.wiretap.hear(message, frame)
        return self.injector.fate(source, target, frame and frame[1])

    def plugins(self, host: Host) -> list[object]:
        """Return what each node has beside mesh and relay."""
        self.flows[host.name] = FlowPlugin(self.ledger)
        return [self.flows[host.name]]


def _frame_of(message: bytes) -> tuple[Wire, Header] | None:
    try:
        wire = split(message)
        return wire, decode_header(wire.line)
    except RemoteProtocolError:
        return None


async def settle(mesh: Mesh, *, within: float = QUIET) -> list[str]:
    """Wait until nothing of the traffic is left; return what is."""
    await comes_true(lambda: not left_over(mesh), within=within)
    return left_over(mesh)


def left_over(mesh: Mesh) -> list[str]:
    """Return what nodes still hold of exchanges, of messages, and of keys of the past."""
    found = []
    for host in mesh.up:
        node = host.running
        found += [f"{host.name}: {exchange!r}" for exchange in node.exchanges.live]
        found += [f"{host.name}: {n} of {peer}" for peer, n in node.exchanges.accepted.items()]
        found += [f"{link!r} at {host.name}" for link in node.links.values() if link.waiting > 1]
        found += _old_sessions(mesh, node)
    return [f"left over: {one}" for one in found]


def _old_sessions(mesh: Mesh, node: Node) -> list[str]:
    sessions = node.sessions.all
    found = [
        f"{node.id}: {n} sessions with {peer}"
        for peer, n in Counter(session.peer for session in sessions).items()
        if n > MOST_SESSIONS
    ]
    for session in sessions:
        peer = mesh.hosts[session.peer].node
        if peer is None or not node.reachable(peer.id):
            continue  # nobody can have told it
        if session.remote_instance != peer.instance:
            found.append(f"{node.id}: {session!r} with an earlier run")
    return found


def still_in(mesh: Mesh, outcast: str) -> list[str]:
    """Return where a node that was revoked still has a foot in the door."""
    name = NodeId(outcast)
    found = []
    for host in mesh.up:
        node = host.running
        if host.name != outcast:
            found += [f"{host.name} has a link to {name}"] if name in node.links else []
            found += [f"{host.name} has a route to {name}"] if node.reachable(name) else []
            found += [f"{host.name} knows {name}"] if node.directory.get(name) else []
            found += [f"{host.name} has {s!r}" for s in node.sessions.all if s.peer == name]
    return [f"revoked, but {one}" for one in found]


def judge(
    scene: Scene, mesh: Mesh, schedule: Schedule, misfortunes: Misfortunes, seconds: float
) -> Outcome:
    """Put together what came of a schedule; its nodes have stopped."""
    ledger = scene.ledger
    return Outcome(
        wrong=[*schedule.wrong, *ledger.close(), *mesh.faults, *scene.wiretap.wrong],
        ledger=ledger,
        ttl_ended=mesh.counters["undeliverable_ttl"],
        most_visits=ledger.most_visits,
        relayed=mesh.counters["relayed"],
        frames=scene.wiretap.frames,
        sessions=scene.wiretap.sessions,
        seconds=seconds,
        looks=schedule.looks,
        statuses=schedule.statuses,
        nodes=len(mesh.hosts),
        done=misfortunes.done,
        injected=scene.injector.done,
    )


def check(outcome: Outcome) -> None:
    """Raises: AssertionError, with all that must not have happened."""
    assert not outcome.wrong, "\n".join(outcome.wrong[:20])
    assert outcome.ttl_ended == 0
    assert outcome.most_visits <= MOST_VISITS
    assert outcome.looks > 0
    assert outcome.ledger.endings["whole"] > 0


def tasks_alive() -> int:
    """Return how many tasks the running loop has."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        import trio

        return trio.lowlevel.current_statistics().tasks_living
