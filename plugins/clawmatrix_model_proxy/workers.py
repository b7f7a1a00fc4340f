"""Converting large texts in worker threads, so that the loop serves everybody else meanwhile."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import anyio.to_thread

from clawmatrix_core import Bound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["AT_A_TIME", "ON_LOOP", "PASSED_ON", "Workers", "imported", "on_loop"]

ON_LOOP = Bound(
    32 * 1024,
    "bytes of a request or an answer that is converted on the event loop",
    fed_by="a client or an upstream",
    when_full="it is converted in a worker thread",
)
AT_A_TIME = Bound(
    2,
    "conversions in worker threads at a time, one of them for each node that asks",
    fed_by="a client or an upstream",
    when_full="the others wait for their turn",
)
_ON_LOOP = int(ON_LOOP)  # which is compared faster
PASSED_ON = 32
"""By how many times less work it is to pass a text on than to convert it."""

R = TypeVar("R")
_here = threading.local()
_imported: set[str] = set()


class _Turn:
    def __init__(self) -> None:
        self.lock = anyio.Lock()
        self.users = 0


class Workers:
    """Runs work on large texts in a few threads of its own.

    The interpreter runs one thread at a time, so more threads would be no faster, and each would
    let the loop wait longer. Those who ask have turns: one node's large requests wait for each
    other and not for its neighbour's.

    A caller that is cancelled waits for the end of its work, since a thread cannot be stopped:
    otherwise requests that are given up at once would have any number of threads at work.
    """

    def __init__(self) -> None:
        self._limiter: anyio.CapacityLimiter | None = None  # wants a loop that runs
        self._turns: dict[str, _Turn] = {}

    def __repr__(self) -> str:
        return f"<Workers for {len(self._turns)} nodes>"

    async def run(self, who: str, size: int, work: Callable[[], R]) -> R:
        """Return what ``work`` returns, or raise what it raises.

        Args:
            who: the node that it is done for.
            size: the bytes of the text; up to ON_LOOP the work is done at once, on the loop.
            work: shares nothing that changes with other work.
        """
        if size <= _ON_LOOP:
            return work()
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(AT_A_TIME)
        async with self._turn(who):
            done = await anyio.to_thread.run_sync(_done, work, limiter=self._limiter)
        return done.pop().take()

    @asynccontextmanager
    async def _turn(self, who: str) -> AsyncIterator[None]:
        turn = self._turns.setdefault(who, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[who]


class _Done(Generic[R]):
    """What came of work: a value, or an error."""

    def __init__(self, value: R | None = None, error: Exception | None = None) -> None:
        self.value = value
        self.error = error

    def take(self) -> R:
        """Return the value, or raise the error, once."""
        error, self.error = self.error, None
        if error is None:
            return self.value  # type: ignore[return-value]  # there is one
        try:
            raise error
        finally:
            del error  # its frames lead here


def _done(work: Callable[[], R]) -> list[_Done[R]]:
    # An error that is raised through the future of the thread would be in a circle with it, and
    # the large text that the error's frames hold would stay until the circle is collected.
    _here.works = True
    try:
        return [_Done(work())]
    except Exception as error:  # noqa: BLE001 - it is raised by whoever waits
        return [_Done(error=error)]
    finally:
        _here.works = False


async def imported(module: str) -> None:
    """Import a large module in a thread, unless that is done; none for an empty name.

    Code on the loop that imports it afterwards takes no time for that.
    """
    if module and module not in _imported:
        await anyio.to_thread.run_sync(import_module, module)
        _imported.add(module)


def on_loop(call: Callable[[], None]) -> None:
    """Call something that belongs to the loop, from work that may run in a thread."""
    if getattr(_here, "works", False):
        import anyio.from_thread  # here, since hardly ever needed

        anyio.from_thread.run_sync(call)
    else:
        call()
