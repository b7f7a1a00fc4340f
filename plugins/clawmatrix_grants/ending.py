"""Rules end at their times: what runs by them is asked about again then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from clawmatrix_core.spi import Bell

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from clawmatrix_grants.config import GrantsConfig

__all__ = ["EndingRules", "ends_of"]

LOOK: Final = 0.5
"""Seconds between two looks at a clock that may be set, or stand still with its machine."""


class EndingRules:
    """Says when a rule has ended.

    ``ends`` returns the times at which rules end, in seconds since 1970, and ``wall`` the present
    one; ``ended`` is called after one of them.
    """

    def __init__(
        self,
        ends: Callable[[], Collection[float]],
        wall: Callable[[], float],
        ended: Callable[[], None],
    ) -> None:
        self._ends, self._wall, self._ended = ends, wall, ended
        self._changed = Bell()

    def changed(self) -> None:
        """Note that there are other rules."""
        self._changed.ring()

    async def run(self) -> None:
        """Look at the clock while a rule is to end, until cancelled."""
        seen = self._wall()
        while True:
            now = self._wall()
            if any(seen < end <= now for end in self._ends()):
                self._ended()
            seen = now
            if ahead := [end - now for end in self._ends() if end > now]:
                with anyio.move_on_after(min(*ahead, LOOK)):
                    await self._changed.wait()
            else:
                await self._changed.wait()


def ends_of(config: GrantsConfig) -> Collection[float]:
    """Return the times at which rules of a table end, in seconds since 1970."""
    rules = (rule for grant in config.grants.values() for rule in grant.rules)
    return [rule.until for rule in rules if rule.until is not None]
