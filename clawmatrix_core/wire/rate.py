"""How much may pass in a second: frames, and bytes. Pure; the clock's time is passed in."""

from __future__ import annotations

__all__ = ["BURST", "Rate"]

BURST = 1.0
"""Seconds' worth that may pass at once, after a rest."""


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
        """Count a frame, if it is within the limit; say whether it is."""
        by_size = size * self._per_byte
        cost = by_size if by_size > self._per_frame else self._per_frame
        due = (self._due if self._due > now else now) + cost
        if due - now > BURST:
            return False
        self._due = due
        return True
