"""The two clocks of a node: one that only goes forward, one that people read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Clock"]


@attrs.frozen
class Clock:
    """Passed in, so that tests decide what time it is.

    Attributes:
        now: seconds of the event loop's clock, for everything that waits.
        wall: seconds since 1970, for what people see. It may jump.
    """

    now: Callable[[], float] = anyio.current_time
    wall: Callable[[], float] = time.time
