"""How often something may happen: some at once, and so many a second after that, for each key."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Pace"]


class Pace:
    """Counts for each key. Who has not been there for long enough is forgotten by ``tick``."""

    def __init__(self, burst: float, refill: float, now: Callable[[], float]) -> None:
        self._burst = burst
        self._refill = refill
        self._now = now
        self._left: dict[Hashable, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._left)

    def admit(self, key: Hashable, cost: float = 1.0) -> bool:
        """Say whether it may happen once more now, and count it if it may.

        What costs more than is left may happen all the same, and is made up for.
        """
        now = self._now()
        left = self._refilled(key, now)
        if left < 1:
            return False
        self._left[key] = (left - cost, now)
        return True

    def tick(self) -> None:
        """Forget those for whom nothing is counted any more."""
        now = self._now()
        for key in list(self._left):
            if self._refilled(key, now) >= self._burst:
                del self._left[key]

    def _refilled(self, key: Hashable, now: float) -> float:
        left, at = self._left.get(key, (self._burst, now))
        return min(self._burst, left + (now - at) * self._refill)
