"""Telling, again and again, that something takes long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["tell_until"]


async def tell_until(done: anyio.Event, tell: Callable[[float], None], *, every: float) -> None:
    """Call ``tell`` every so many seconds, with the seconds so far, until an event is set."""
    seconds = 0.0
    while not done.is_set():
        with anyio.move_on_after(every):
            await done.wait()
            return
        seconds += every
        tell(seconds)
