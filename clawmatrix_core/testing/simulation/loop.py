"""Event loops whose time is virtual and whose course depends on nothing but a seed.

Time stands still while a task can run, or waits for a worker thread, and then goes straight to
the next moment that somebody waits for. Each backend keeps its own semantics: trio shuffles the
tasks that can run, here by the seed; asyncio takes them in turn, and what it cancels is told a
step later.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import selectors
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

__all__ = ["Backend", "VirtualLoop", "clock_of_loop", "run_on_virtual_time"]

Backend = Literal["asyncio", "trio"]

T = TypeVar("T")


def run_on_virtual_time(fn: Callable[[], Awaitable[T]], *, seed: int, backend: Backend) -> T:
    """Run a coroutine function to its end on a fresh loop and return what it returned."""
    if backend == "asyncio":
        loop = VirtualLoop()
        with _keys_by(seed), _sets_in_order(), _threads_tell(loop.hold):
            return anyio.run(fn, backend_options={"loop_factory": lambda: loop})
    from trio.testing import MockClock

    clock = MockClock(autojump_threshold=0)

    def hold(held: bool) -> None:
        clock.autojump_threshold = math.inf if held else 0

    with _keys_by(seed), _shuffled_by(seed), _threads_tell(hold):
        return anyio.run(fn, backend="trio", backend_options={"clock": clock})


def clock_of_loop() -> Callable[[], float]:
    """Return what tells the time of the running loop; ``anyio.current_time``, but sooner."""
    try:
        return asyncio.get_running_loop().time
    except RuntimeError:
        import trio

        return trio.current_time


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop that begins at time 0 and never waits for a timer."""

    def __init__(self) -> None:
        self._impatient = _ImpatientSelector(self._skip)
        super().__init__(self._impatient)
        self._set(0.0)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._virtual

    @property
    def timers(self) -> int:
        """How many timers are to go off, and were not cancelled."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return sum(not timer.cancelled() for timer in scheduled)

    def hold(self, held: bool) -> None:
        """Have time stand still from now on, or go on."""
        self._impatient.held = held

    def _skip(self, seconds: float) -> None:
        # To the moment itself: a sum might miss it by a bit, and then wait for nothing for ever.
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        self._set(scheduled[0].when() if scheduled else self._virtual + seconds)

    def _set(self, time: float) -> None:
        self._virtual = time
        # Timers up to this moment go off. A timer that is later by one bit does not.
        self._clock_resolution = math.ulp(time)


class _ImpatientSelector(selectors.DefaultSelector):
    """Looks for what is ready without waiting; where nothing is, time is skipped instead."""

    def __init__(self, skip: Callable[[float], None]) -> None:
        super().__init__()
        self._skip, self.held = skip, False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # Only a thread can wake us where nobody waits for a moment, or where time is held for one.
        if timeout is None or (self.held and timeout > 0):
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self._skip(timeout)
        return ready


class _InOrder(dict[Any, None]):
    """A set that is gone through in the order in which its members came."""

    def __init__(self, members: Iterable[Any] = ()) -> None:
        super().__init__(dict.fromkeys(members))

    def add(self, member: Any) -> None:
        self[member] = None

    def remove(self, member: Any) -> None:
        del self[member]

    def discard(self, member: Any) -> None:
        self.pop(member, None)


@contextmanager
def _threads_tell(hold: Callable[[bool], None]) -> Iterator[None]:
    # What a thread does, such as an import, takes no virtual time: no deadline passes meanwhile.
    # What it has the loop do takes some.
    to_thread, from_thread, working = anyio.to_thread.run_sync, anyio.from_thread.run, 0

    def count(more: int) -> None:
        nonlocal working
        working += more
        hold(working > 0)

    async def counted(more: int, fn: Callable[..., Awaitable[Any]], *args: Any, **how: Any) -> Any:
        count(more)
        try:
            return await fn(*args, **how)
        finally:
            count(-more)

    anyio.to_thread.run_sync = partial(counted, 1, to_thread)  # type: ignore[assignment]
    anyio.from_thread.run = partial(from_thread, counted, -1)  # type: ignore[assignment,arg-type]
    try:
        yield
    finally:
        anyio.to_thread.run_sync, anyio.from_thread.run = to_thread, from_thread


@contextmanager
def _keys_by(seed: int) -> Iterator[None]:
    # Of two sessions that are opened at once the one with the smaller id is used: what keys are
    # made of has its part in the course of events too.
    honest = os.urandom
    os.urandom = random.Random(f"keys {seed}").randbytes
    try:
        yield
    finally:
        os.urandom = honest


@contextmanager
def _sets_in_order() -> Iterator[None]:
    # What is cancelled is told in the order of anyio's sets of tasks and scopes, which is that
    # of their addresses in memory. There is no switch for it.
    from anyio._backends import _asyncio

    _asyncio.set = _InOrder  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del _asyncio.set  # type: ignore[attr-defined]


@contextmanager
def _shuffled_by(seed: int) -> Iterator[None]:
    # Trio has this switch for property tests, and no public name for it.
    from trio._core import _run

    source: random.Random = _run._r
    flag, state = _run._ALLOW_DETERMINISTIC_SCHEDULING, source.getstate()
    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    source.seed(seed)
    try:
        yield
    finally:
        _run._ALLOW_DETERMINISTIC_SCHEDULING = flag  # type: ignore[misc]
        source.setstate(state)
