"""Virtual time: free to wait for, exact, and never past what can happen before."""

from __future__ import annotations

import gc
import os
import threading
from typing import get_args

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from anyio._backends import _asyncio
from anyio.lowlevel import checkpoint
from trio._core import _run

from clawmatrix_core.testing.simulation.loop import Backend, run_on_virtual_time

on_both = pytest.mark.parametrize("backend", get_args(Backend))


@on_both
def test_waiting_costs_nothing_and_ends_at_the_moment_itself(backend: Backend) -> None:
    async def main() -> list[float]:
        ends = []
        for seconds in (0.1, 0.2, 1e-9, 86_400 * 365, 0.1):
            due = anyio.current_time() + seconds
            with anyio.CancelScope(deadline=due):
                await anyio.sleep_forever()
            ends.append(anyio.current_time() - due)
        return ends

    assert run_on_virtual_time(main, seed=1, backend=backend) == [0.0] * 5


@on_both
def test_time_stands_still_while_a_task_can_run(backend: Backend) -> None:
    async def main() -> float:
        with anyio.move_on_after(1):
            for _ in range(1000):
                await checkpoint()
            return anyio.current_time()
        return -1

    assert run_on_virtual_time(main, seed=1, backend=backend) == 0.0


@on_both
def test_time_stands_still_while_a_thread_works(backend: Backend) -> None:
    async def main() -> tuple[float, bool, float]:
        late = threading.Event()

        def work() -> bool:
            return late.wait(0.2)  # a moment of real time in which the loop could go on

        async def tell() -> None:
            await anyio.sleep(1)
            late.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tell)
            told = await anyio.to_thread.run_sync(work)
            ended = anyio.current_time()
        return ended, told, anyio.current_time()

    honest = anyio.to_thread.run_sync
    assert run_on_virtual_time(main, seed=1, backend=backend) == (0.0, False, 1.0)
    assert anyio.to_thread.run_sync is honest


@on_both
def test_time_goes_on_for_what_a_thread_has_the_loop_do(backend: Backend) -> None:
    async def main() -> float:
        await anyio.to_thread.run_sync(anyio.from_thread.run, anyio.sleep, 3)
        return anyio.current_time()

    honest = anyio.from_thread.run
    assert run_on_virtual_time(main, seed=1, backend=backend) == 3.0
    assert anyio.from_thread.run is honest


@on_both
def test_timers_go_off_in_the_order_of_time(backend: Backend) -> None:
    async def main() -> list[float]:
        order = []

        async def wait(seconds: float) -> None:
            await anyio.sleep(seconds)
            order.append(seconds)

        async with anyio.create_task_group() as tasks:
            for seconds in (3.0, 1.0, 2.0, 0.5):
                tasks.start_soon(wait, seconds)
        return order

    assert run_on_virtual_time(main, seed=1, backend=backend) == [0.5, 1.0, 2.0, 3.0]


def test_a_thread_can_wake_an_asyncio_loop_that_waits_for_nothing_else() -> None:
    async def main() -> str:
        return await anyio.to_thread.run_sync(lambda: threading.current_thread().name)

    assert run_on_virtual_time(main, seed=1, backend="asyncio") != threading.current_thread().name


@on_both
def test_what_is_cancelled_hears_of_it_in_an_order_that_memory_has_no_part_in(
    backend: Backend,
) -> None:
    def order() -> list[int]:
        async def main() -> list[int]:
            ends: list[int] = []

            async def wait(number: int) -> None:
                try:
                    with anyio.CancelScope():
                        await anyio.sleep_forever()
                finally:
                    ends.append(number)

            async with anyio.create_task_group() as tasks:
                for number in range(200):
                    tasks.start_soon(wait, number)
                await anyio.sleep(1)
                tasks.cancel_scope.cancel()
            return ends

        return run_on_virtual_time(main, seed=1, backend=backend)

    first = order()
    litter = [object() for _ in range(1000)]  # so that addresses are others the next time
    del litter[::3]
    gc.collect()
    assert order() == first
    assert backend == "trio" or first == list(range(200))


@on_both
def test_the_libraries_are_left_as_they_were(backend: Backend) -> None:
    async def main() -> None:
        await anyio.sleep(1)

    before = _run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r.getstate(), dict(vars(_asyncio))
    run_on_virtual_time(main, seed=1, backend=backend)
    after = _run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r.getstate(), dict(vars(_asyncio))
    assert after == before


@on_both
def test_keys_are_made_of_the_seed_too_and_only_meanwhile(backend: Backend) -> None:
    async def main() -> bytes:
        return os.urandom(32)

    one, again, other = (run_on_virtual_time(main, seed=s, backend=backend) for s in (1, 1, 2))
    assert one == again != other
    assert os.urandom(32) != os.urandom(32)
    assert "built-in" in repr(os.urandom)
