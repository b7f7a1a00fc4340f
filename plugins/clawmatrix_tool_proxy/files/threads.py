"""Work on files beside the event loop, in steps, so that it stops soon after its caller leaves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread

from clawmatrix_core import Bound
from clawmatrix_tool_proxy.files.pieces import PIECE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator

__all__ = ["FILES", "SEARCHES", "Threads"]

FILES = Bound(
    4,
    "calls of `read`, `write`, `edit` and `list` that work in threads at a time",
    fed_by="a member",
    when_full="the others wait for their turn",
)
SEARCHES = Bound(
    2,
    "calls of `search` that work in threads at a time",
    fed_by="a member",
    when_full="the others wait for their turn",
)
_STEP: Final = 0.1
"""Seconds that a step takes, where it does not end before."""

T = TypeVar("T")


class Threads:
    """A few threads for work on files."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limiter: anyio.CapacityLimiter | None = None  # wants a loop that runs

    async def run(self, work: Callable[[], T]) -> T:
        """Return what short work returns."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._most)
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)

    async def pump(
        self, work: Iterable[bytes], write: Callable[[bytes], Awaitable[bool]] | None = None
    ) -> bool:
        """Do work in steps, and write what it yields between them.

        No thread is held while whoever reads is behind. Returns False where the reader wants no
        more. Raises what the work raises.
        """
        steps = _all(work)
        try:
            while True:
                output, over = await self.run(lambda: _step(steps))
                if output and write is not None and not await write(output):
                    return False
                if over:
                    return True
        finally:
            steps.close()


def _all(work: Iterable[bytes]) -> Generator[bytes, None, None]:
    yield from work


def _step(steps: Iterator[bytes]) -> tuple[bytes, bool]:
    """Go on for a while; return what came, and whether that was the end."""
    ends_at, output = time.monotonic() + _STEP, bytearray()
    for block in steps:
        output += block
        if len(output) >= PIECE or time.monotonic() > ends_at:
            return bytes(output), False
        anyio.from_thread.check_cancelled()
    return bytes(output), True
