"""Sharing on virtual time: whatever happens to nodes and links, all indexes end alike."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core import Lane
from clawmatrix_core.testing.simulation import Simulation, run_simulation
from clawmatrix_knowledge.frame_types import SYNC
from clawmatrix_knowledge.syncing.wire import send_message
from tests.plugins.knowledge.index.helpers import MemoryShelf, version
from tests.plugins.knowledge.syncing.nodes import Sharer, index_on
from tests.simulation.mesh import Mesh, comes_true, mesh_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import Exchange
    from clawmatrix_knowledge.index.index import Taken
    from tests.simulation.mesh import Host

NAMES = ("a", "b", "c")
LINKS = frozenset({("a", "b"), ("c", "b"), ("a", "c")})


class Story:
    """Three hosts that share a workspace, of which each has its own shelf."""

    def __init__(self) -> None:
        self.shelves = {name: MemoryShelf() for name in NAMES}
        self.sharers: dict[str, Sharer] = {}
        self.recorded = 0

    def plugins(self, host: Host) -> Sequence[object]:
        peers = [name for name in NAMES if name != host.name]
        sharer = Sharer(peers=peers, shelf=self.shelves[host.name])
        self.sharers[host.name] = sharer
        return [sharer, sharer.notebook, sharer.decider]

    async def record(self, mesh: Mesh, rng: Any) -> None:
        """Let a host that is up record a version."""
        name = rng.choice([host.name for host in mesh.up])
        sharer = self.sharers[name]
        if sharer.space is None:
            return
        known = sorted(sharer.space.index.graph, key=lambda one: one.id)
        base = [rng.choice(known)] if known and rng.random() < 0.6 else []
        path = base[0].path if base else f"{self.recorded}.md"
        await sharer.record(sharer.space, version(path, f"{self.recorded}", *base))
        self.recorded += 1

    def are_alike(self) -> bool:
        found = set()
        for sharer in self.sharers.values():
            if sharer.space is None:
                return False
            assert len(sharer.space.index.graph) <= self.recorded
            found.add(tuple(sorted(sharer.space.index.heads)))
        return len(found) == 1


async def happens(simulation: Simulation, mesh: Mesh, story: Story) -> None:
    """Let one thing happen to a host, or between two."""
    rng = simulation.random
    up = [host.name for host in mesh.up]
    match rng.randrange(8):
        case 0 if len(up) > 1:
            await mesh.crash(rng.choice(up), silent=rng.random() < 0.5)
        case 1:
            for host in mesh.hosts.values():
                if host.is_down:
                    await mesh.start(host.name)
        case 2:
            simulation.network.partition([[rng.choice(NAMES)]])
        case 3:
            simulation.network.heal()
        case 4:
            simulation.network.break_links(*rng.sample(NAMES, 2))
        case _:
            await story.record(mesh, rng)
    await anyio.sleep(rng.choice([0.0, 0.05, 1.0, 20.0]))


@pytest.mark.parametrize("seed", range(4))
def test_all_indexes_end_alike_through_crashes_and_partitions(seed: int) -> None:
    async def main(simulation: Simulation) -> None:
        story = Story()
        async with mesh_of(simulation, NAMES, LINKS, plugins=story.plugins) as mesh:
            for _ in range(60):
                await happens(simulation, mesh, story)
            simulation.network.heal()
            for host in mesh.hosts.values():
                if host.is_down:
                    await mesh.start(host.name)
            assert await comes_true(story.are_alike, within=120)
            one = story.sharers["a"].space
            assert one is not None
            assert len(one.index.graph) == story.recorded > 5
            assert [sharer.stops.all() for sharer in story.sharers.values()] == [[]] * 3
        assert mesh.faults == []

    run_simulation(main, seed=seed)


def test_a_peer_that_refuses_is_asked_less_and_less_and_again_once_that_may_have_changed() -> None:
    attempts: Counter[str] = Counter()

    def plugins(host: Host) -> Sequence[object]:
        other = {"a": "b", "b": "a"}[host.name]
        sharer = sharers[host.name] = Sharer(peers=[other], shelf=MemoryShelf())
        return [sharer, sharer.notebook, sharer.decider]

    sharers: dict[str, Sharer] = {}

    async def main(simulation: Simulation) -> None:
        async with AsyncExitStack() as stack:
            links = frozenset({("a", "b")})
            await stack.enter_async_context(mesh_of(simulation, ("a", "b"), links, plugins=plugins))
            a, b = sharers["a"], sharers["b"]
            b.deny("a")
            assert await comes_true(lambda: "open" not in b.states().values(), within=5)
            answer = b.sharing.answer

            async def counted(ex: Exchange) -> None:
                attempts[ex.type] += 1
                await answer(ex)

            b.sharing.answer = counted  # type: ignore[method-assign]
            await anyio.sleep(3600)
            assert 50 <= attempts[SYNC] <= 75
            assert a.states() == {"b": "waiting"}
            b.allow("a")
            assert await comes_true(lambda: a.states() == {"b": "open"}, within=1, step=0.05)

    run_simulation(main, seed=1)


def test_a_peer_that_sends_messages_that_bring_nothing_is_read_slowly() -> None:
    sharers: dict[str, Sharer] = {}

    def plugins(host: Host) -> Sequence[object]:
        peers = {"a": [], "b": ["a"]}[host.name]
        sharer = sharers[host.name] = Sharer(peers=peers, shelf=MemoryShelf())
        return [sharer, sharer.notebook, sharer.decider]

    async def main(simulation: Simulation) -> None:
        async with AsyncExitStack() as stack:
            links = frozenset({("a", "b")})
            mesh = mesh_of(simulation, ("a", "b"), links, plugins=plugins)
            await stack.enter_async_context(mesh)
            a, space = sharers["a"].node, sharers["b"].space
            assert space is not None
            assert await comes_true(lambda: a.reachable("b"), within=5)
            index = await index_on(MemoryShelf())
            await index.open_share("b")
            message = await index.message_for("b")
            assert message is not None
            taken = 0
            take = space.index.take

            async def counted(share: str, message: bytes) -> Taken:
                nonlocal taken
                taken += 1
                return await take(share, message)

            space.index.take = counted  # type: ignore[method-assign]
            request = {"workspace": "notes", "format": 1, "rules": 1}
            ex = await stack.enter_async_context(a.exchange("b", SYNC, request, lane=Lane.BULK))
            await ex.receive()
            for _ in range(200):
                await send_message(ex, message)
            await anyio.sleep(30)
            assert 30 <= taken <= 45

    run_simulation(main, seed=1)


def test_a_node_that_lost_power_shares_again_at_once_when_it_is_back() -> None:
    sharers: dict[str, Sharer] = {}

    def plugins(host: Host) -> Sequence[object]:
        other = {"a": "b", "b": "a"}[host.name]
        sharer = sharers[host.name] = Sharer(peers=[other], shelf=MemoryShelf())
        return [sharer, sharer.notebook, sharer.decider]

    def are_open() -> bool:
        return sharers["a"].states() == {"b": "open"} and sharers["b"].states() == {"a": "open"}

    async def main(simulation: Simulation) -> None:
        async with AsyncExitStack() as stack:
            links = frozenset({("b", "a")})
            mesh = await stack.enter_async_context(
                mesh_of(simulation, ("a", "b"), links, plugins=plugins)
            )
            assert await comes_true(are_open, within=5)
            await anyio.sleep(60)
            await mesh.crash("b", silent=True)
            await mesh.start("b")
            assert await comes_true(are_open, within=3, step=0.05)


def test_a_peer_that_lost_the_share_need_not_wait_until_this_node_has_noticed() -> None:
    sharers: dict[str, Sharer] = {}

    def plugins(host: Host) -> Sequence[object]:
        other = {"a": "b", "b": "a"}[host.name]
        sharer = sharers[host.name] = Sharer(peers=[other], shelf=MemoryShelf())
        return [sharer, sharer.notebook, sharer.decider]

    async def main(simulation: Simulation) -> None:
        async with AsyncExitStack() as stack:
            links = frozenset({("b", "a")})
            await stack.enter_async_context(mesh_of(simulation, ("a", "b"), links, plugins=plugins))
            a, b = sharers["a"], sharers["b"]
            assert await comes_true(lambda: a.states() == {"b": "open"}, within=5)
            await anyio.sleep(60)
            request = {"workspace": "notes", "format": 1, "rules": 1}
            async with b.node.exchange("a", SYNC, request, lane=Lane.BULK) as ex:
                assert await ex.receive() == {"format": 1, "rules": 1}

    run_simulation(main, seed=1)

    run_simulation(main, seed=1)
