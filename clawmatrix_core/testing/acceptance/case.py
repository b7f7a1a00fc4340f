"""What acceptance checks are given, and how long they may take."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import anyio
import attrs

if TYPE_CHECKING:
    from clawmatrix_core.wire.transport import Transport

__all__ = ["TIME_LIMIT", "TransportCase", "TransportCheck", "timed"]

TIME_LIMIT = 30.0
"""Seconds a check may take."""


@attrs.frozen
class TransportCase:
    """A transport to check.

    Attributes:
        transport: makes one; those it makes reach each other.
        address: an address to listen at, free again after each check.
        other: a second one, for use at the same time.
        unreachable: an address at which nobody listens.
    """

    transport: Callable[[], Transport]
    address: str
    other: str
    unreachable: str


TransportCheck = Callable[[TransportCase], Coroutine[Any, Any, None]]


def timed(check: TransportCheck) -> TransportCheck:
    """Make a check that hangs fail."""

    @functools.wraps(check)
    async def timed(case: TransportCase) -> None:
        with anyio.move_on_after(TIME_LIMIT) as scope:
            await check(case)
        assert not scope.cancelled_caught, f"not done after {TIME_LIMIT:g} s"

    return timed
