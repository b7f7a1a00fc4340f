"""A schedule: what goes wrong in a mesh, when, from a seed; and what must hold after it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core.frames import NodeId
from clawmatrix_core.simulation import Quality
from tests.simulation.mesh import comes_true, mesh_of, random_graph
from tests.simulation.traffic import FlowPlugin, Ledger
from tests.simulation.truth import components, open_pairs, route_errors, status_errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.routes import PathStatus
    from clawmatrix_core.simulation import Simulation
    from tests.simulation.mesh import Host, Links, Mesh

__all__ = ["Outcome", "check", "play"]

HEARTBEAT = 5.0
FLOODING = 4.0
SETTLED = 3 * HEARTBEAT * 1.2 + FLOODING
"""Seconds after a change in which every status must have become right again."""
REUNION = 120.0
"""Seconds in which links must be back: the longest wait between dials, and a dial's time."""
QUIET = 60.0
"""Seconds after the last stream in which no trace of an exchange may be left."""
MOST_VISITS = 4
"""How often one message may come by one relay, while routes change under it."""
LIMIT = 3600.0
"""Seconds a schedule takes at most."""


@attrs.frozen
class Outcome:
    """What a schedule came to.

    Attributes:
        wrong: what must not have happened, in words.
        ledger: the traffic's.
        ttl_ended: frames that went round until their ttl was used up.
        most_visits: how often one message came by one relay, at most.
        relayed: messages that were passed on, in all.
        seconds: the virtual time.
        looks: how often all statuses were compared with the truth.
        statuses: what nodes said then, each of another.
    """

    wrong: list[str]
    ledger: Ledger
    ttl_ended: int
    most_visits: int
    relayed: int
    seconds: float
    looks: int
    statuses: list[tuple[str, str, PathStatus]]


class Schedule:
    """One mesh, and its misfortunes."""

    def __init__(self, simulation: Simulation, mesh: Mesh, links: Links) -> None:
        self.rng = simulation.random
        self.simulation = simulation
        self.mesh = mesh
        self.links = links
        self.wrong: list[str] = []
        self.looks = 0
        self.statuses: list[tuple[str, str, PathStatus]] = []
        self._kinds: list[Callable[[], Awaitable[None]]] = [
            self.partition,
            self.one_way,
            self.crash,
            self.crash,
            self.sever,
            self.slow_down,
            self.shuffle,
            self.jump,
        ]

    async def run(self) -> None:
        """Play some rounds of misfortune, then mend everything that can be."""
        async with anyio.create_task_group() as self._tasks:
            await self._play()

    async def _play(self) -> None:
        await self.expect_statuses("at the start")
        for number in range(self.rng.randint(2, 3)):
            for _ in range(self.rng.randint(1, 3)):
                await self.rng.choice(self._kinds)()
                await anyio.sleep(self.rng.uniform(0, 8))
            if self.rng.random() < 0.3:
                self.mesh.network.heal()
            if self.rng.random() < 0.5:
                await self.restart()
            await self.expect_statuses(f"in round {number}")
        self.mesh.network.heal()
        if self.rng.random() < 0.7:
            await self.restart()
        await self.expect_reunion()
        await self.expect_statuses("in the end")

    # --- misfortunes

    async def partition(self) -> None:
        """Part the mesh in two."""
        names = sorted(self.mesh.hosts)
        self.mesh.network.partition([self.rng.sample(names, self.rng.randint(1, len(names) - 1))])

    async def one_way(self) -> None:
        """Let nothing pass from one end of a link to the other."""
        a, b = self.rng.choice(sorted(self.links))
        self.mesh.network.block(*self.rng.choice(((a, b), (b, a))), one_way=True)

    async def crash(self) -> None:
        """End a node, with or without a word; perhaps it comes back soon."""
        up = self.mesh.up
        if len(up) > 2:
            name = self.rng.choice(up).name
            await self.mesh.crash(name, silent=self.rng.random() < 0.5)
            if self.rng.random() < 0.5:
                self._tasks.start_soon(self._come_back, name, self.rng.uniform(0.1, 20))

    async def _come_back(self, name: str, after: float) -> None:
        await anyio.sleep(after)
        if self.mesh.hosts[name].node is None:
            await self.mesh.start(name)

    async def restart(self) -> None:
        """Start every node that is down."""
        for name, host in sorted(self.mesh.hosts.items()):
            if host.node is None:
                await self.mesh.start(name)

    async def sever(self) -> None:
        """Break a connection, or a few."""
        for a, b in self.rng.sample(sorted(self.links), self.rng.randint(1, 3)):
            self.mesh.network.break_links(a, b)

    async def slow_down(self) -> None:
        """Make a path slower."""
        self._change(lambda: Quality(delay=self.rng.uniform(0.1, 0.5), jitter=0.1))

    async def shuffle(self) -> None:
        """Make a path lose and reorder messages."""
        self._change(lambda: Quality(0.05, jitter=0.05, drop=0.02, reorder=0.2))

    def _change(self, quality: Callable[[], Quality]) -> None:
        for a, b in self.rng.sample(sorted(self.links), 2):
            self.mesh.network.set_quality(a, b, quality())

    async def jump(self) -> None:
        """Set a node's clock wrong."""
        name = self.rng.choice(sorted(self.mesh.hosts))
        self.simulation.jump_clock(name, self.rng.choice((-86400.0, -30.0, 30.0, 86400.0)))

    # --- what must hold

    async def expect_statuses(self, when: str) -> None:
        """Wait until nothing has changed for long enough; then every status must be right."""
        seen, since = open_pairs(self.mesh), anyio.current_time()
        up = [(host.name, host.runs) for host in self.mesh.up]
        while anyio.current_time() - since < SETTLED:
            await anyio.sleep(0.5)
            now = open_pairs(self.mesh), [(host.name, host.runs) for host in self.mesh.up]
            if now != (seen, up):
                (seen, up), since = now, anyio.current_time()
        errors = route_errors(self.mesh) + await status_errors(self.mesh, self.statuses)
        if open_pairs(self.mesh) == seen:
            self.wrong += [f"{when}: {error}" for error in errors]
            self.looks += 1

    async def expect_reunion(self) -> None:
        """Wait until all that are up and can be linked reach each other."""
        if not await comes_true(lambda: not self._apart(), within=REUNION):
            self.wrong += [f"not reunited: {pair}" for pair in self._apart()]

    def _apart(self) -> list[str]:
        up = [host.name for host in self.mesh.up]
        possible = components(up, [frozenset(link) for link in self.links if {*link} <= {*up}])
        return [
            f"{host.name} to {name}"
            for host in self.mesh.up
            for name in up
            if possible[name] == possible[host.name] and not host.running.reachable(NodeId(name))
        ]


class Traffic:
    """Streams between random nodes, one after the other and at the same time."""

    def __init__(self, mesh: Mesh, flows: dict[str, FlowPlugin], rng: random.Random) -> None:
        self._mesh = mesh
        self._flows = flows
        self._rng = rng
        self._over = anyio.Event()

    async def run(self) -> None:
        """Open streams until told to end; return when all have ended."""
        rng = self._rng
        async with anyio.create_task_group() as streams:
            while not self._over.is_set():
                await anyio.sleep(rng.expovariate(0.5))
                up = self._mesh.up
                source = rng.choice(up)
                target = rng.choice([name for name in self._mesh.hosts if name != source.name])
                streams.start_soon(
                    self._flows[source.name].stream,
                    source.running,
                    target,
                    random.Random(rng.getrandbits(64)),
                    rng.choice((None, rng.uniform(1, 30))),
                )

    def end(self) -> None:
        """Open no more."""
        self._over.set()


async def play(simulation: Simulation) -> Outcome:
    """Make a mesh, let it carry traffic through its misfortunes, and return how that went."""
    rng, ledger = simulation.random, Ledger()
    names = [f"n{number:02}" for number in range(rng.randint(5, 12))]
    links = random_graph(rng, names, rng.uniform(2.2, 4.0), mutual=0.2)
    flows: dict[str, FlowPlugin] = {}

    def plugins(host: Host) -> list[object]:
        flows[host.name] = FlowPlugin(ledger)
        return [flows[host.name]]

    for a, b in sorted(links):
        simulation.network.set_quality(a, b, Quality(rng.uniform(0.001, 0.1)))
    async with mesh_of(simulation, names, links, plugins=plugins) as mesh:
        schedule = Schedule(simulation, mesh, links)
        traffic = Traffic(mesh, flows, random.Random(rng.getrandbits(64)))
        wrong = schedule.wrong
        with anyio.move_on_after(LIMIT) as limit:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(traffic.run)
                await schedule.run()
                traffic.end()
                limit.deadline = anyio.current_time() + QUIET
        if limit.cancelled_caught:
            wrong.append("streams did not end")
        await _settle(mesh, wrong)
    return _judge(mesh, schedule, ledger)


async def _settle(mesh: Mesh, wrong: list[str]) -> None:
    def live() -> list[str]:
        return [f"{h.name}: {ex!r}" for h in mesh.up for ex in h.running.exchanges.live]

    if not await comes_true(lambda: not live(), within=QUIET):
        wrong += [f"left over at {exchange}" for exchange in live()]


def _judge(mesh: Mesh, schedule: Schedule, ledger: Ledger) -> Outcome:
    wrong = [*schedule.wrong, *ledger.wrong, *mesh.faults]
    wrong += [f"{s} ended {len(s.endings)} times" for s in ledger.streams if len(s.endings) != 1]
    wrong += [f"{id_} was begun {n} times" for id_, n in ledger.begun.items() if n != 1]
    wrong += [f"the handler of {id_} did not end" for id_ in ledger.begun - ledger.ended]
    return Outcome(
        wrong=wrong,
        ledger=ledger,
        ttl_ended=mesh.counters["undeliverable_ttl"],
        most_visits=max(ledger.passed.values(), default=0),
        relayed=mesh.counters["relayed"],
        seconds=anyio.current_time(),
        looks=schedule.looks,
        statuses=schedule.statuses,
    )


def check(outcome: Outcome) -> None:
    """Raises: AssertionError, with all that must not have happened."""
    assert not outcome.wrong, "\n".join(outcome.wrong[:20])
    assert outcome.ttl_ended == 0
    assert outcome.most_visits <= MOST_VISITS
    assert outcome.looks > 0
    assert outcome.ledger.endings["whole"] > 0
