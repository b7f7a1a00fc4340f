"""A bell: wakes tasks that wait for a change."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from clawmatrix_core.base.backend import on_trio

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Bell"]


class Bell:
    """Wakes those who wait for a change; they look again for themselves.

    Exchanges wait for each frame by one, so that it takes what the loop has for that, and no
    more: an event of anyio costs three times as much.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[_Waiter] = []

    def __repr__(self) -> str:
        return f"<Bell for {len(self._waiting)}>"

    @property
    def awaited(self) -> bool:
        """True while somebody waits."""
        return bool(self._waiting)

    def ring(self) -> None:
        """Wake all who wait now."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)

    async def wait(self) -> None:
        """Return after the next ring."""
        waiter: _Waiter
        waiter = _Event() if on_trio() else asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except BaseException:
            with suppress(ValueError):  # it was rung just before
                self._waiting.remove(waiter)
            raise


class _Waiter(Protocol):
    """What one task waits for: asyncio's futures are such."""

    def done(self) -> bool:
        """Say whether nobody waits any more."""

    def set_result(self, result: None, /) -> None:
        """Wake the task."""

    def __await__(self) -> Generator[Any, None, None]: ...


class _Event:
    """The same on trio."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def done(self) -> bool:
        return self._event.is_set()

    def set_result(self, result: None, /) -> None:
        self._event.set()

    def __await__(self) -> Generator[Any, None, None]:
        return self._event.wait().__await__()
