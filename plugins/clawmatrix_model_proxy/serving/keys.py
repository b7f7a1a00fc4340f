"""The keys of one upstream, and which of them to use. Pure; the clock is passed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import Secret

__all__ = ["ROTATED", "KeyRing"]

ROTATED = frozenset({401, 402, 403, 429})
"""Statuses that are about the key, so that another one may do better."""
_REFUSED_FOR = 300.0
"""Seconds for which a key that was refused is left out: a person may mend it."""
_USED_UP_FOR = 20.0
"""Seconds for which a key over its rate is left out, where the upstream does not say."""


class KeyRing:
    """Keys in order; one that was refused is left out for a while."""

    def __init__(self, keys: Sequence[Secret]) -> None:
        self._keys = tuple(keys)
        self._until: dict[int, float] = {}

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self._keys)}, {len(self._until)} left out>"

    def order(self, now: float) -> list[int]:
        """Return the numbers of the keys to try: those left out come last, the soonest first."""
        numbers = range(len(self._keys))
        return sorted(numbers, key=lambda number: max(0.0, self._until.get(number, 0.0) - now))

    def reveal(self, number: int) -> str:
        """Return a key."""
        return self._keys[number].reveal()

    def refused(self, number: int, now: float, status: int, wait: float | None) -> None:
        """Note that a key was refused, with this status."""
        if status == 429:
            self._until[number] = now + (_USED_UP_FOR if wait is None else wait)
        else:
            self._until[number] = now + _REFUSED_FOR

    def worked(self, number: int) -> None:
        """Note that a key was taken."""
        self._until.pop(number, None)
