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


@attrs.frozen
class Clock:
    """Passed in, so that tests decide what time it is.

    Attributes:
        now: seconds of the event loop's clock, for everything that waits.
        wall: seconds since 1970, for what people see. It may jump.
    """

    now: Callable[[], float] = loop_time
    wall: Callable[[], float] = time.time
