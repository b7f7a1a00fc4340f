"""Stories about single rules of exchanges and sessions. Each raises AssertionError where its is
broken."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.testing.simulation import Quality, run_simulation
from tests.simulation.injector import HELD_BACK
from tests.simulation.judge import Scene, settle, still_in
from tests.simulation.mesh import comes_true, mesh_of
from tests.simulation.misfortunes import revoke
from tests.simulation.schedule import backend_of
from tests.simulation.story import LINKS, NAMES, STRIKE, Strike, tell

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from clawmatrix_core.testing.simulation import Simulation
    from tests.simulation.mesh import Mesh

__all__ = [
    "a_stream",
    "all_goes_well",
    "cut_off",
    "held_back",
    "left_early",
    "lost_in_quiet",
    "one_suffers",
    "played_again",
    "restarted",
    "revoked",
    "two_with_relays",
]


def all_goes_well(seed: int) -> None:
    """Streams both ways, new keys amid them, a way lost: nothing is refused, and nobody waits."""
    _assert_well(seed, STRIKE)


def one_suffers(kind: str, number: int, fault: str) -> Callable[[int], None]:
    """Return the same story, but that one message of a kind is lost, late or comes twice."""

    def scenario(seed: int) -> None:
        _assert_well(seed, Strike(kind, number, fault))

    scenario.__name__ = f"one_suffers({kind!r}, {number}, {fault!r})"
    return scenario


def _assert_well(seed: int, strike: Strike) -> None:
    ending = run_simulation(lambda s: tell(s, strike), seed=seed, backend=backend_of(seed))
    assert not ending.wrong, "\n".join(ending.wrong)


def lost_in_quiet(kind: str) -> Callable[[int], None]:
    """Return a story in which a message of a kind is lost, and nothing else happens."""

    def scenario(seed: int) -> None:
        run_simulation(main, seed=seed, backend=backend_of(seed))

    async def main(simulation: Simulation) -> None:
        scene = Scene(simulation)
        async with two_with_relays(simulation, scene) as mesh:
            scene.injector.aim(kind, 1, "lost")
            with anyio.move_on_after(10):
                await a_stream(scene, mesh, "echo")
            assert scene.injector.done
            assert not (left := await settle(mesh, within=3)), left
        assert scene.ledger.endings == {"whole": 1}
        _assert_closed(scene)

    scenario.__name__ = f"lost_in_quiet({kind!r})"
    return scenario


def left_early(seed: int) -> None:
    """An asker leaves a stream: the work ends, and both ends forget it at once."""

    async def main(simulation: Simulation) -> None:
        scene = Scene(simulation)
        async with two_with_relays(simulation, scene) as mesh:
            await a_stream(scene, mesh, "leave")
            assert not (left := await settle(mesh, within=0.5)), left
        _assert_closed(scene)

    run_simulation(main, seed=seed, backend=backend_of(seed))


def cut_off(seed: int) -> None:
    """The way is lost for good: errors say which streams can have begun, and which cannot."""

    async def main(simulation: Simulation) -> None:
        scene = Scene(simulation)
        async with two_with_relays(simulation, scene) as mesh:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(a_stream, scene, mesh, "echo")
                await anyio.sleep(0.25)
                tasks.start_soon(a_stream, scene, mesh, "echo", 3.0)
                await anyio.sleep(0.25)
                for relay in ("left", "right"):
                    await mesh.crash(relay, silent=False)
                await anyio.sleep(0.25)
                asker = mesh.hosts["asker"].running
                await scene.flows["asker"].stream(asker, "server", random.Random(seed))
            endings = [(stream.ending, stream.denied) for stream in scene.ledger.streams]
            assert endings == [
                ("Undeliverable", False),
                ("DeadlineExceeded", False),
                ("Undeliverable", True),
            ], endings
        _assert_closed(scene)

    run_simulation(main, seed=seed, backend=backend_of(seed))


def played_again(seed: int) -> None:
    """All that was said is played to the nodes again when its exchanges are long forgotten."""

    async def main(simulation: Simulation) -> None:
        scene = Scene(simulation)
        async with two_with_relays(simulation, scene) as mesh:
            assert await comes_true(lambda: _reaches(mesh, "asker", "server"), within=10)
            await anyio.sleep(1.0)  # the links are made: no handshake is played again
            simulation.network.tamper = lambda *_: (0.0, HELD_BACK)
            for plan in ("echo", "pour", "fail"):
                await a_stream(scene, mesh, plan)
            simulation.network.tamper = None
            before = scene.ledger.begun.copy()
            await anyio.sleep(HELD_BACK + 10.0)
            assert scene.ledger.begun == before, "what was played again has begun again"
            assert mesh.hosts["server"].running.counters["replay"] > 0
        _assert_closed(scene)

    run_simulation(main, seed=seed, backend=backend_of(seed))


def held_back(seed: int) -> None:
    """A copy of an opening frame comes when the exchange, asked for anew, is long forgotten."""

    async def main(simulation: Simulation) -> None:
        scene = Scene(simulation)
        async with two_with_relays(simulation, scene) as mesh:
            assert await comes_true(lambda: _reaches(mesh, "asker", "server"), within=10)
            scene.injector.aim("opening", 1, "held back")
            await a_stream(scene, mesh, "echo")
            await anyio.sleep(HELD_BACK + 1.0)
            assert scene.injector.done
        assert scene.ledger.endings == {"whole": 1}
        _assert_closed(scene)

    run_simulation(main, seed=seed, backend=backend_of(seed))


def restarted(seed: int) -> None:
    """A node restarts: what it had begun ends with an error that says so, the next is answered."""

    async def main(simulation: Simulation) -> None:
        scene = Scene(simulation)
        async with two_with_relays(simulation, scene) as mesh:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(a_stream, scene, mesh, "echo")
                tasks.start_soon(a_stream, scene, mesh, "echo")
                await anyio.sleep(0.5)
                await mesh.crash("server", silent=False)
                await mesh.start("server")
            assert await comes_true(lambda: _reaches(mesh, "asker", "server"), within=10)
            await a_stream(scene, mesh, "echo")
            endings = [stream.ending for stream in scene.ledger.streams]
            assert endings == ["PeerLost", "PeerLost", "whole"], endings
            assert not (left := await settle(mesh, within=5)), left
        _assert_closed(scene)

    run_simulation(main, seed=seed, backend=backend_of(seed))


def revoked(seed: int) -> None:
    """A node that is put out stays out, restarts or not; the others are served."""

    async def main(simulation: Simulation) -> None:
        scene = Scene(simulation)
        async with two_with_relays(simulation, scene) as mesh:
            assert await comes_true(lambda: _reaches(mesh, "server", "left"), within=10)
            await revoke(mesh, "left", by="server")
            await anyio.sleep(30)
            await mesh.crash("left", silent=False)
            await mesh.start("left")
            await anyio.sleep(30)
            assert not (found := still_in(mesh, "left")), found
            scene.ledger.calm = True
            await a_stream(scene, mesh, "echo")
        _assert_closed(scene)

    run_simulation(main, seed=seed, backend=backend_of(seed))


def two_with_relays(simulation: Simulation, scene: Scene) -> AbstractAsyncContextManager[Mesh]:
    """Make the asker, the server, and two relays between them."""
    simulation.network.default = Quality(0.01)
    return mesh_of(simulation, NAMES, LINKS, plugins=scene.plugins)


async def a_stream(scene: Scene, mesh: Mesh, plan: str, deadline: float | None = None) -> None:
    """Open a stream once there is a way, and see it to its end."""
    asker, rng = mesh.hosts["asker"].running, random.Random(plan)
    await comes_true(lambda: _reaches(mesh, "asker", "server"), within=10, step=0.1)
    flow = scene.flows["asker"]
    await flow.stream(asker, "server", rng, plan=plan, items=20, deadline=deadline)


def _reaches(mesh: Mesh, source: str, target: str) -> bool:
    return mesh.hosts[source].running.reachable(NodeId(target))


def _assert_closed(scene: Scene) -> None:
    assert not (wrong := [*scene.ledger.close(), *scene.wiretap.wrong]), "\n".join(wrong)
