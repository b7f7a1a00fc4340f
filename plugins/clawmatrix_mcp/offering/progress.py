"""How far a call is, as MCP clients are told: numbers that grow, and words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from clawmatrix_mcp.naming import clean_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

__all__ = ["BEAT", "Report", "Reporter"]

Report: TypeAlias = "Callable[[float, float | None, str | None], Awaitable[None]]"
"""Tells a client how much is done, of how much, and words."""

BEAT: Final = 8.0
"""Seconds without news after which a client is told that the call goes on: it gives up after 60."""
WORDS: Final = 500
"""Characters that words of progress have at most."""
_BURST: Final = 64
_PER_SECOND: Final = 16.0
_LITTLE: Final = 0.001
_MOST: Final = 2.0**40
"""The largest number that is passed on: it is no infinity, and a little more is more."""


class Reporter:
    """Tells one client how far one call is, for as long as it is entered.

    Numbers always grow, as the protocol asks for: where a tool tells none, they count. Words that
    come too fast are dropped, so that no tool fills the connection of its caller.
    """

    beat: Final = BEAT

    def __init__(self, report: Report | None, what: str) -> None:
        """Make one; ``report`` is None where the client asked for no progress."""
        self._report, self._what = report, what
        self._done, self._counts = 0.0, True
        self._total: float | None = None
        self._words = ""
        self._budget, self._spent = float(_BURST), anyio.current_time()
        self._since = self._told = anyio.current_time()
        self._tasks = anyio.create_task_group()

    async def __aenter__(self) -> Self:
        if self._report is not None:
            await self._tasks.__aenter__()
            self._tasks.start_soon(self._go_on)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._report is not None:
            self._tasks.cancel_scope.cancel()
            await self._tasks.__aexit__(None, None, None)  # what was raised goes on as it is

    async def tell(
        self, words: str, *, done: float | None = None, total: float | None = None
    ) -> None:
        """Tell news of the call, unless there was too much of it."""
        if self._report is None or not self._may():
            return
        self._words = shown = clean_text(words)[:WORDS]
        if done is not None and 0 <= done <= _MOST:
            self._counts, self._total = False, total
        else:
            done = None
        await self._send(done, shown or None)

    async def _go_on(self) -> None:
        while True:
            left = self._told + self.beat - anyio.current_time()
            if left > 0:
                await anyio.sleep(left)
                continue
            seconds = round(anyio.current_time() - self._since)
            words = self._words or f"{self._what} goes on"
            await self._send(None, f"{words} ({seconds} s)")

    async def _send(self, done: float | None, words: str | None) -> None:
        if done is None or done <= self._done:
            done = self._done + (1 if self._counts else _LITTLE)
        self._done, self._told = done, anyio.current_time()
        if self._report is not None:
            total = self._total
            if total is not None and not done <= total <= _MOST:
                total = None
            await self._report(done, total, words)

    def _may(self) -> bool:
        now = anyio.current_time()
        self._budget = min(_BURST, self._budget + (now - self._spent) * _PER_SECOND)
        self._spent = now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True
