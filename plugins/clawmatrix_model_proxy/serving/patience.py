"""Until when an upstream may say nothing more of an answer.

Up to the first part of a stream that means something the time counts from the request, and from
each later sign that the model works. A role, a comment or an empty line is none. Behind that
part every event counts, but for comments; a model that thinks has as long as for its beginning.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from anyio import current_time

if TYPE_CHECKING:
    from clawmatrix_model_proxy.config import Budgets
    from clawmatrix_model_proxy.streams.answer_stream import AnswerStream

__all__ = ["BodyPatience", "Patience", "StreamPatience"]


class Patience(Protocol):
    """Times are those of the event loop's clock, in seconds.

    Attributes:
        arrived: when the last bytes came.
    """

    arrived: float

    def soon(self) -> float:
        """Return a time at which to look whether there is silence, cheaply."""

    def until(self) -> tuple[float, float]:
        """Return when it is too late, and for how long nothing came then."""

    def excuse(self) -> None:
        """Note that the upstream had to wait until now."""


class BodyPatience:
    """For a body in one piece: all bytes count."""

    def __init__(self, budgets: Budgets, began: float) -> None:
        self.arrived = -math.inf
        self._began = began
        self._budgets = budgets

    def soon(self) -> float:
        """See Patience."""
        return self.until()[0]

    def until(self) -> tuple[float, float]:
        """See Patience."""
        if self.arrived < self._began:
            return self._began + self._budgets.first_byte, self._budgets.first_byte
        return self.arrived + self._budgets.idle, self._budgets.idle

    def excuse(self) -> None:
        """See Patience."""
        self.arrived = current_time()


class StreamPatience:
    """Times the silence of a stream. Call ``heard`` after each ``feed``."""

    def __init__(self, budgets: Budgets, began: float, stream: AnswerStream) -> None:
        self.arrived = self._alive = self._heard = began
        self._budgets = budgets
        self._stream = stream
        self._signs = 0

    def heard(self) -> bool:
        """Take note of what the stream took in, and say whether that is a new sign of life."""
        stream = self._stream
        if not stream.quiet:
            self._heard = self.arrived
        if stream.begun or stream.signs == self._signs:
            return False
        self._signs = stream.signs
        self._alive = self.arrived
        return True

    def soon(self) -> float:
        """See Patience."""
        # What came last may not have been looked at yet: this is too early rather than too late.
        idle = self._budgets.idle
        if self._stream.begun:
            return self._heard + idle
        return min(self._alive + self._budgets.first_byte, self.arrived + idle)

    def until(self) -> tuple[float, float]:
        """See Patience."""
        idle, first = self._budgets.idle, self._budgets.first_byte
        if not self._stream.begun:
            return self._alive + first, first
        limit = max(idle, first) if self._stream.thinks() else idle
        return self._heard + limit, limit

    def excuse(self) -> None:
        """See Patience."""
        self.arrived = self._heard = current_time()
