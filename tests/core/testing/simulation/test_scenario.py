"""Simulations: one seed is one course of events, on a clock that costs no time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, get_args

import anyio
import pytest

from clawmatrix_core.base.errors import ConnectionLost, DialError
from clawmatrix_core.testing.simulation import EPOCH, Quality, Simulation, run_simulation
from clawmatrix_core.testing.simulation.loop import Backend

if TYPE_CHECKING:
    from clawmatrix_core.wire.transport import Connection, Transport


async def echo_forever(connection: Connection) -> None:
    try:
        while True:
            await connection.send(await connection.receive())
    except ConnectionLost:
        pass


async def serve(transport: Transport, name: str) -> None:
    async with transport.listen(f"memory://{name}") as listener, anyio.create_task_group() as tasks:
        while True:
            tasks.start_soon(echo_forever, await listener.accept())


async def busy(simulation: Simulation) -> list[tuple[Any, ...]]:
    """Ten nodes that talk over a network that fails in many ways."""
    network, random = simulation.network, simulation.random
    nodes = [f"node{index}" for index in range(10)]
    network.default = Quality(delay=0.01, jitter=0.02, drop=0.02, reorder=0.1)

    async def talk(node: str) -> None:
        transport = network.transport(node)
        while True:
            try:
                connection = await transport.dial(f"memory://{random.choice(nodes)}")
                for _ in range(random.randrange(20)):
                    await connection.send(bytes(random.randrange(500)))
                    await anyio.sleep(random.random() / 50)
                await connection.close()
            except (DialError, ConnectionLost):
                await anyio.sleep(0.1)

    async def disturb() -> None:
        while True:
            await anyio.sleep(0.2)
            network.partition([nodes[: random.randrange(10)]])
            await anyio.sleep(0.2)
            network.heal()
            network.break_links(*random.sample(nodes, 2))
            network.break_links(nodes[0], nodes[1])

    with anyio.move_on_after(5):
        async with anyio.create_task_group() as tasks:
            for node in nodes:
                tasks.start_soon(serve, network.transport(node), node)
                tasks.start_soon(talk, node)
            tasks.start_soon(disturb)
    return simulation.trace


def digest(trace: list[tuple[Any, ...]]) -> str:
    return hashlib.sha256(repr(trace).encode()).hexdigest()


on_both = pytest.mark.parametrize("backend", get_args(Backend))


@on_both
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_seed_gives_the_same_course_of_events_again(seed: int, backend: Backend) -> None:
    first, again = (run_simulation(busy, seed=seed, backend=backend) for _ in range(2))
    assert len(first) > 1000
    assert {event[1] for event in first} >= {"open", "delivered", "lost", "stalled", "broken"}
    assert first == again


@on_both
def test_another_seed_gives_another_course(backend: Backend) -> None:
    one, other = (run_simulation(busy, seed=seed, backend=backend) for seed in (1, 2))
    assert one != other


@on_both
def test_a_seed_gives_the_same_in_another_process_with_other_hashes(backend: Backend) -> None:
    environment = os.environ | {"PYTHONHASHSEED": "77"}
    command = [sys.executable, __file__, backend]
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(run_simulation(busy, seed=1, backend=backend))


@on_both
def test_a_hundred_nodes_are_cheap(backend: Backend) -> None:
    async def scenario(simulation: Simulation) -> int:
        network = simulation.network
        network.default = Quality(delay=0.02, jitter=0.02)
        answers = 0

        async def talk(index: int) -> None:
            nonlocal answers
            transport = network.transport(f"node{index}")
            connection = await transport.dial(f"memory://node{(index + 1) % 100}")
            for _ in range(100):
                await connection.send(b"hello")
                await connection.receive()
                answers += 1

        async with anyio.create_task_group() as servers:
            for index in range(100):
                name = f"node{index}"
                servers.start_soon(serve, network.transport(name), name)
            async with anyio.create_task_group() as talkers:
                for index in range(100):
                    talkers.start_soon(talk, index)
            servers.cancel_scope.cancel()
        return answers

    assert run_simulation(scenario, seed=1, backend=backend) == 10_000


@on_both
def test_wall_clocks_run_with_virtual_time_and_jump_alone(backend: Backend) -> None:
    async def scenario(simulation: Simulation) -> None:
        a, b = simulation.wall("a"), simulation.wall("b")
        assert a() == b() == EPOCH
        await anyio.sleep(60)
        simulation.jump_clock("a", -3600)
        assert (a(), b()) == (EPOCH - 3540, EPOCH + 60)
        assert simulation.trace == [(60.0, "clock", "a", -3600)]

    run_simulation(scenario, seed=1, backend=backend)


@on_both
def test_a_simulation_that_cannot_end_is_ended(backend: Backend) -> None:
    async def scenario(_: Simulation) -> None:
        await anyio.sleep_forever()

    with pytest.raises(TimeoutError, match="within 86400 virtual seconds"):
        run_simulation(scenario, seed=1, backend=backend)


@on_both
def test_what_a_scenario_raises_comes_out_as_it_is(backend: Backend) -> None:
    async def scenario(_: Simulation) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run_simulation(scenario, seed=1, backend=backend)


if __name__ == "__main__":
    print(
        digest(run_simulation(busy, seed=1, backend="trio" if sys.argv[1] == "trio" else "asyncio"))
    )
