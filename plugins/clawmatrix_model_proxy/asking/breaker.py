"""A circuit breaker for one target: (node, model, upstream). Pure; the clock is passed in."""

from __future__ import annotations

from enum import Enum

import msgspec

__all__ = ["Breaker", "BreakerLimits", "BreakerState"]


class BreakerState(Enum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class BreakerLimits(msgspec.Struct, frozen=True):
    """When a breaker opens, and for how long. Times in seconds.

    Attributes:
        failures: weight of recent failures at which it opens.
        half_life: time in which the weight of a failure halves.
        first: how long it stays open the first time.
        longest: how long it stays open at most; each probe that fails doubles the time.
    """

    failures: float = 2.5
    half_life: float = 60.0
    first: float = 5.0
    longest: float = 20.0


class Breaker:
    """Counts failures with decay, opens, lets one probe through, and closes on its success.

    Attributes:
        limits: when it opens, and for how long, from now on.
    """

    def __init__(self, limits: BreakerLimits | None = None) -> None:
        self.limits = limits or BreakerLimits()
        self._weight = 0.0
        self._weighed = 0.0
        self._until: float | None = None
        self._open_for = 0.0
        self._probing = False
        self._why = ""

    def __repr__(self) -> str:
        return f"<Breaker weight {self._weight:.2f} until {self._until} {self._why!r}>"

    @property
    def why(self) -> str:
        """The last failure that counted, in words."""
        return self._why

    def state(self, now: float) -> BreakerState:
        """Return what it does with a call now."""
        if self._until is None:
            return BreakerState.CLOSED
        if now < self._until or self._probing:
            return BreakerState.OPEN
        return BreakerState.HALF_OPEN

    def opens_in(self, now: float) -> float:
        """Return in how many seconds a call is let through."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    def begin(self, now: float) -> None:
        """Note that a call is made. The first one to a half-open breaker is its probe."""
        if self.state(now) is BreakerState.HALF_OPEN:
            self._probing = True

    def abandoned(self) -> None:
        """Note that a call ended without telling anything: the client left."""
        self._probing = False

    def succeeded(self) -> None:
        """Note that a call was answered whole."""
        self._weight = self._open_for = 0.0
        self._until = None
        self._probing = False
        self._why = ""

    def failed(self, now: float, why: str, *, wait: float | None = None) -> None:
        """Note that a call failed; ``wait`` is how long the target asked to be left alone."""
        age = now - self._weighed
        self._weight = self._weight * 0.5 ** (age / self.limits.half_life) + 1.0
        self._weighed = now
        self._why = why
        probe, self._probing = self._probing, False
        if probe or self._weight >= self.limits.failures:
            self._open(now, doubled=probe)
        if wait is not None:
            self._until = max(self._until or 0.0, now + min(wait, self.limits.longest))

    def _open(self, now: float, *, doubled: bool) -> None:
        limits = self.limits
        grown = 2 * self._open_for if doubled else max(limits.first, self._open_for)
        self._open_for = min(limits.longest, grown or limits.first)
        self._until = now + self._open_for
