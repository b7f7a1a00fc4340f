"""Whether the other end of an exchange is still there, as far as this end can tell. Pure.

All times are seconds of the node's clock, and are passed in.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clawmatrix_core.exchange.limits import ExchangeLimits

__all__ = ["Liveness"]


class Liveness:
    """What one end knows of the other, by time.

    Attributes:
        heard: when the other end was last heard.
        asked: when the other end was last asked, or needed no question.
        in_trouble: the last frame had no way to go.
        doubted: the other end said that it does not know the exchange; that may be old news.
        deadline: when the exchange must be over, None for no limit.
        grace: seconds for which there may be no way to the other end.
        redialling: this node itself dials the link that is gone.
    """

    __slots__ = (
        "_limits",
        "_trouble_since",
        "asked",
        "deadline",
        "doubted",
        "grace",
        "heard",
        "in_trouble",
        "redialling",
    )

    def __init__(self, limits: ExchangeLimits, now: float) -> None:
        self.heard = self.asked = now
        self.in_trouble = False
        self.doubted = False
        self.deadline: float | None = None
        self.grace = limits.grace
        self.redialling = False
        self._limits = limits
        self._trouble_since: float | None = None  # no way out since then, and nothing heard

    def __repr__(self) -> str:
        state = "in trouble" if self.in_trouble else "doubted" if self.doubted else "well"
        return f"<Liveness {state} heard={self.heard:g} asked={self.asked:g}>"

    def note_heard(self, now: float, *, settled: bool) -> None:
        """Note a frame of the other end.

        ``settled`` says that nothing sent is unacknowledged, or that some of it has just been
        acknowledged. Else it may be lost, however much is heard, and must be asked after.
        """
        self.heard = now
        if settled:
            self.asked = now
        self._trouble_since, self.in_trouble, self.redialling = None, False, False

    def note_sent(self) -> None:
        """Note that a frame got away, or waits for space only."""
        self.in_trouble = False

    def note_unroutable(self, now: float) -> None:
        """Note that there is no way to the other end at the moment."""
        self.in_trouble = True
        if self._trouble_since is None:
            self._trouble_since = now

    def note_asked(self, now: float) -> None:
        """Note that the other end is being asked what has arrived there."""
        self.asked = now

    @property
    def _patience(self) -> float:
        return min(self.grace, self._limits.redial) if self.redialling else self.grace

    def outlast(self, seconds: float | None) -> None:
        """Allow so many seconds without a way; None for the usual ones."""
        self.grace = self._limits.grace if seconds is None else seconds

    def is_late(self, now: float) -> bool:
        """Say whether the deadline has passed."""
        return self.deadline is not None and now >= self.deadline

    def is_stranded(self, now: float) -> bool:
        """Say whether there has been no way to the other end for too long."""
        since = self._trouble_since
        return self.in_trouble and since is not None and now - since > self._patience

    def is_lost(self, now: float) -> bool:
        """Say whether the other end has been silent for too long, although it was asked."""
        return now - self.heard > self._limits.lost

    def must_ask(self, now: float, *, waiting: bool) -> bool:
        """Say whether it is time to ask; ``waiting`` where this end waits for the other."""
        unanswered = self.asked > self.heard  # the question, or its answer, may have been lost
        soon = waiting or unanswered or self.in_trouble or self.doubted
        return now - self.asked > (self._limits.probe_unacked if soon else self._limits.probe_idle)

    def milliseconds_left(self, now: float) -> int:
        """Return the time to the deadline as the opening frame tells it; 0 for no limit."""
        if self.deadline is None:
            return 0
        # Rounded up, so that the end which set the deadline is the first to see it pass.
        return max(1, math.ceil((self.deadline - now) * 1000))
