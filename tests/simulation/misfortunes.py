"""What goes wrong in a simulated mesh, and what is done to it on purpose."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.config.types import Secret
from clawmatrix_core.testing.simulation import Quality
from tests.simulation.truth import components

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from anyio.abc import TaskGroup

    from clawmatrix_core.testing.simulation import Simulation
    from tests.simulation.judge import Scene
    from tests.simulation.mesh import Host, Links, Mesh

    Deed = Callable[["Misfortunes"], Awaitable[None]]

__all__ = ["Misfortunes", "revoke"]

SKEWS = (-40_000.0, -30.0, 0.0, 30.0, 40_000.0)
"""Seconds by which wall clocks may be wrong: no two are a day apart, since then the word of one
on who is revoked would not be believed by the other."""


class Misfortunes:
    """Does things to a mesh, by chance.

    Attributes:
        links: who dials whom.
        done: how often each thing was done.
        outcast: who was revoked, and by whom.
        steady: names of hosts whose nodes are never ended.
        GENTLE: those in which no stream may be lost; what is in it twice comes more often.
        HARD: those in which streams may end with an error.
    """

    def __init__(
        self,
        simulation: Simulation,
        scene: Scene,
        mesh: Mesh,
        links: Links,
        tasks: TaskGroup,
    ) -> None:
        self.links = set(links)
        self.done: Counter[str] = Counter()
        self.outcast: tuple[str, str] | None = None
        self.steady: frozenset[str] = frozenset()
        self._simulation = simulation
        self._rng = simulation.random
        self._mesh = mesh
        self._ledger = scene.ledger
        self._injector = scene.injector
        self._tasks = tasks
        self._skews: dict[str, float] = {}
        self._rotations = 0
        self._rotating = False

    async def gentle(self) -> None:
        """Do something in which no stream may be lost."""
        await self._one_of(self.GENTLE)

    async def hard(self) -> None:
        """Do something that may end streams."""
        self._ledger.storm()
        await self._one_of(self.HARD)

    async def _one_of(self, things: Sequence[Deed]) -> None:
        thing = self._rng.choice(things)
        self.done[thing.__name__] += 1
        await thing(self)

    # --- no stream may be lost in these

    async def tamper(self) -> None:
        """Aim at single messages: each is lost, late, or comes twice."""
        for _ in range(self._rng.randint(2, 8)):
            self._injector.aim_at_random(self._rng)

    async def slow_down(self) -> None:
        """Make a path slower."""
        self._change(Quality(delay=self._rng.uniform(0.1, 0.5), jitter=0.1))

    async def shuffle(self) -> None:
        """Make a path lose and reorder messages."""
        self._change(Quality(0.05, jitter=0.05, drop=0.02, reorder=0.2))

    def _change(self, quality: Quality) -> None:
        for a, b in self._rng.sample(sorted(self.links), 2):
            self._mesh.network.set_quality(a, b, quality)

    async def jump(self) -> None:
        """Set a node's clock wrong, or right again."""
        name, skew = self._rng.choice(sorted(self._mesh.hosts)), self._rng.choice(SKEWS)
        self._simulation.jump_clock(name, skew - self._skews.get(name, 0.0))
        self._skews[name] = skew

    async def rotate(self) -> None:
        """Exchange the secret of the mesh, node by node, while it works."""
        if not self._rotating:
            self._rotating = True
            self._tasks.start_soon(self._rotate)

    async def _rotate(self) -> None:
        self._rotations += 1
        fresh = f"secret number {self._rotations} of this mesh, which is long enough"
        for retire in (False, True):
            hosts = [host for _, host in sorted(self._mesh.hosts.items())]
            for host in self._rng.sample(hosts, len(hosts)):
                before = host.secrets[0] if not retire else fresh
                host.secrets = (fresh,) if retire else (fresh, before)
                if host.node is not None:
                    first, *others = map(Secret, host.secrets)
                    host.node.keyring.put(first, others)
                await anyio.sleep(self._rng.uniform(0, 1))
        self._rotating = False

    async def join(self) -> None:
        """Add a node that was never there before."""
        if len(self._mesh.hosts) < 20 and not self._rotating:
            hosts = [host for _, host in sorted(self._mesh.hosts.items())]
            known = [
                host for host in hosts if self.outcast is None or host.name not in self.outcast
            ]
            name = f"n{len(hosts):02}"
            peers = [host.name for host in self._rng.sample(known, 2)]
            self.links.update((name, peer) for peer in peers)
            self._mesh.add(name, peers).secrets = known[0].secrets
            self._ledger.unreached |= {name}  # before it is known everywhere
            await self._mesh.start(name)

    # --- in these, streams may

    async def partition(self) -> None:
        """Part the mesh in two."""
        names = sorted(self._mesh.hosts)
        group = self._rng.sample(names, self._rng.randint(1, len(names) - 1))
        self._mesh.network.partition([group])

    async def one_way(self) -> None:
        """Let nothing pass from one end of a link to the other."""
        a, b = self._rng.choice(sorted(self.links))
        self._mesh.network.block(*self._rng.choice(((a, b), (b, a))), one_way=True)

    async def crash(self) -> None:
        """End a node, with or without a word; perhaps it comes back soon."""
        up = self._mesh.up
        if len(up) > 2:
            name = self._rng.choice(self._mortal).name
            await self._mesh.crash(name, silent=self._rng.random() < 0.5)
            if self._rng.random() < 0.5:
                self._tasks.start_soon(self._come_back, name, self._rng.uniform(0.1, 20))

    async def renew(self) -> None:
        """Stop a node in good order, and start it again."""
        up = self._mesh.up
        if len(up) > 2:
            name = self._rng.choice(self._mortal).name
            await self._mesh.stop(name)
            self._tasks.start_soon(self._come_back, name, self._rng.uniform(0.1, 5))

    @property
    def _mortal(self) -> list[Host]:
        return [host for host in self._mesh.up if host.name not in self.steady]

    async def change_key(self) -> None:
        """Stop a node, give it new keys that its old key signs for, and start it again."""
        up = self._mortal
        if len(up) > 2:
            host = self._rng.choice(up)
            await self._mesh.stop(host.name)
            self._mesh.change_key(host.name)
            self._tasks.start_soon(self._come_back, host.name, self._rng.uniform(0.1, 5))

    async def _come_back(self, name: str, after: float) -> None:
        await anyio.sleep(after)
        if self._mesh.hosts[name].is_down:
            self._ledger.storm()
            await self._mesh.start(name)

    async def sever(self) -> None:
        """Break a connection, or a few."""
        for a, b in self._rng.sample(sorted(self.links), self._rng.randint(1, 3)):
            self._mesh.network.break_links(a, b)

    async def revoke(self) -> None:
        """Put a node out for good, if the others hold together without it."""
        up = [host.name for host in self._mesh.up]
        victim, revoker = self._rng.sample(up, 2) if len(up) > 2 else ("", "")
        node = self._mesh.hosts[revoker].running if revoker else None
        if self._mesh.hosts.get(revoker) not in self._mesh.founders:
            return
        if node is None or self.outcast or not self._is_dispensable(victim):
            return
        if any(entry.node_id == victim for entry in node.trust.entries()):
            self.outcast = (victim, revoker)
            await revoke(self._mesh, victim, by=revoker)

    def _is_dispensable(self, name: str) -> bool:
        rest = self._mesh.hosts.keys() - {name}
        pairs = [frozenset(link) for link in self.links if name not in link]
        return len(set(components(rest, pairs).values())) == 1

    # --- mending

    async def restart(self) -> None:
        """Start every node that is down."""
        for name, host in sorted(self._mesh.hosts.items()):
            if host.is_down:
                self._ledger.storm()
                await self._mesh.start(name)

    def heal(self) -> None:
        """Let everything pass again."""
        self._mesh.network.heal()

    GENTLE: tuple[Deed, ...] = (
        tamper,
        tamper,
        tamper,
        slow_down,
        shuffle,
        jump,
        rotate,
        join,
    )
    HARD: tuple[Deed, ...] = (partition, one_way, crash, crash, sever, renew, revoke)


async def revoke(mesh: Mesh, name: str, *, by: str) -> None:
    """Have one node revoke another, as a person at it would."""
    methods = {method.name: method.call for method in mesh.hosts[by].running.control_methods()}
    call = methods["revoke.add"]
    assert call is not None
    await call({"node": name})
