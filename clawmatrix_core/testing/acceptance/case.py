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

    The checks listen at ``address``, and those that need two listeners at the same time at
    ``other`` too; what they dial is what the listener says in ``addresses``. So both may be the
    same where the transport picks a free place itself, as port 0 does; else they differ, such as
    two paths of Unix sockets.

    Attributes:
        transport: makes one; those it makes reach each other.
        address: where checks listen; it must be free again once a listener is left.
        other: where they listen beside it.
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
