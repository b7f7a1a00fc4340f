"""How much may pass in a second: frames, and bytes. Pure; the clock's time is passed in."""

from __future__ import annotations

__all__ = ["BURST", "Rate"]

BURST = 1.0
"""Seconds' worth that may pass at once, after a rest."""
_SPENT = BURST - 1e-9
"""Seconds' worth with which nothing is left: fractions do not add up to a whole burst."""


class Rate:
    """A limit on frames and on bytes in a second; None sets no such limit."""

    __slots__ = ("_due", "_per_byte", "_per_frame")

    def __init__(self, frames: int | None, size: int | None) -> None:
        self.use(frames, size)
        self._due = float("-inf")

    def use(self, frames: int | None, size: int | None) -> None:
        """Set another limit, for what comes from now on."""
        self._per_frame = 1 / frames if frames else 0.0
        self._per_byte = 1 / size if size else 0.0

    def spend(self, now: float, size: int) -> float:
        """Count a frame; return for how many seconds to wait before the next, 0 for none."""
        # What costs more counts, so that neither limit is passed; ``admit`` says the same, since
        # a call for it, for each frame, would take longer than the sum.
        by_size = size * self._per_byte
        cost = by_size if by_size > self._per_frame else self._per_frame
        due = (self._due if self._due > now else now) + cost
        self._due = due
        wait = due - now - BURST
        return wait if wait > 0 else 0.0

    def admit(self, now: float, size: int) -> bool:
        """Count a frame, if something is left of the limit; say whether there is.

        A frame that costs more than is left passes all the same, and is made up for: one that
        costs more than a burst could never pass else, however often it is sent again.
        """
        due = self._due if self._due > now else now
        if due - now > _SPENT:
            return False
        by_size = size * self._per_byte
        self._due = due + (by_size if by_size > self._per_frame else self._per_frame)
        return True

    def give_back(self, size: int) -> None:
        """Count a frame no more that was admitted, and then dropped for another reason."""
        self._due -= max(size * self._per_byte, self._per_frame)
