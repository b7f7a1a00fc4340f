"""Work on large texts: in threads, few at a time, by turns, and to its end."""

from __future__ import annotations

import threading

import anyio
import pytest
from anyio.lowlevel import checkpoint

from clawmatrix_model_proxy.workers import AT_A_TIME, ON_LOOP, Workers, on_loop

pytestmark = pytest.mark.anyio

LARGE = ON_LOOP + 1


class Gate:
    """Work that waits in its thread until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.running = self.most = self.done = 0
        self._lock = threading.Lock()

    def work(self) -> int:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.go.wait(10)
        with self._lock:
            self.running -= 1
            self.done += 1
        return threading.get_ident()


async def until_running(gate: Gate, count: int) -> None:
    with anyio.fail_after(5):
        while gate.running < count:
            await checkpoint()


@pytest.mark.bound("clawmatrix_model_proxy.workers.ON_LOOP")
async def test_small_work_is_done_on_the_loop_and_large_work_in_a_thread() -> None:
    workers, here = Workers(), threading.get_ident()
    assert await workers.run("home", ON_LOOP, threading.get_ident) == here
    assert await workers.run("home", LARGE, threading.get_ident) != here


@pytest.mark.bound("clawmatrix_model_proxy.workers.AT_A_TIME")
async def test_few_threads_work_at_a_time_however_many_nodes_ask() -> None:
    workers, gate = Workers(), Gate()
    async with anyio.create_task_group() as tasks:
        for number in range(AT_A_TIME + 3):
            tasks.start_soon(workers.run, f"node{number}", LARGE, gate.work)
        await until_running(gate, AT_A_TIME)
        for _ in range(20):
            await checkpoint()
        gate.go.set()
    assert (gate.most, gate.done) == (AT_A_TIME, AT_A_TIME + 3)


async def test_one_node_has_one_thread_and_leaves_the_other_to_its_neighbour() -> None:
    workers, gate, quick = Workers(), Gate(), Gate()
    quick.go.set()
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(workers.run, "greedy", LARGE, gate.work)
        await until_running(gate, 1)
        with anyio.fail_after(5):
            await workers.run("other", LARGE, quick.work)
        assert (gate.most, quick.done) == (1, 1)
        gate.go.set()
    assert (gate.most, gate.done) == (1, 5)
    assert repr(workers) == "<Workers for 0 nodes>"


async def test_work_that_is_given_up_keeps_its_place_to_its_end() -> None:
    workers, gate = Workers(), Gate()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workers.run, "home", LARGE, gate.work)
        await until_running(gate, 1)
        tasks.cancel_scope.cancel()
        gate.go.set()
    assert gate.done == 1
    assert repr(workers) == "<Workers for 0 nodes>"


async def test_what_work_raises_is_raised() -> None:
    def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Workers().run("home", LARGE, work)


@pytest.mark.parametrize("size", [1, LARGE])
async def test_what_belongs_to_the_loop_is_called_there(size: int) -> None:
    seen: list[int] = []

    def work() -> None:
        on_loop(lambda: seen.append(threading.get_ident()))

    await Workers().run("home", size, work)
    assert seen == [threading.get_ident()]
