"""The two clocks of a node: one that only goes forward, one that people read."""

from __future__ import annotations

import time
from asyncio import get_running_loop
from time import monotonic
from typing import TYPE_CHECKING

import anyio
import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Clock", "loop_time"]


def loop_time() -> float:
    """Return the event loop's time in seconds, a simulated one too.

    On asyncio that is the monotonic clock itself: uvloop's own count of it has
    milliseconds only, too coarse to measure round trips with.
    """
    try:
        get_running_loop()
    except RuntimeError:
        return anyio.current_time()
    return monotonic()


def _cheapest() -> Callable[[], float]:
    """Return the same time without a look for the loop, where there is one now."""
    try:
        get_running_loop()
    except RuntimeError:
        return loop_time
    return monotonic


@attrs.frozen
class Clock:
    """Passed in, so that tests decide what time it is.

    Attributes:
        now: seconds of the event loop's clock, for everything that waits. A clock that is made
            under asyncio is for asyncio alone.
        wall: seconds since 1970, for what people see. It may jump.
    """

    now: Callable[[], float] = attrs.field(factory=_cheapest)
    wall: Callable[[], float] = time.time
