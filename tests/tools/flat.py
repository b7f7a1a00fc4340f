"""Whether a quantity stays flat over time: by its slope, and by the most it came to."""

from __future__ import annotations

import statistics
from itertools import combinations
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["WARM_UP", "Course", "course"]

WARM_UP = 0.2
"""The share of the samples, at the start, that does not count."""


@attrs.frozen
class Course:
    """How a quantity went after the warm-up.

    Attributes:
        middle: its median.
        most: its maximum.
        grown: by how much it grew from the first sample to the last, by the median of the slopes
            between all pairs of samples: a few high samples do not count.
    """

    middle: float
    most: float
    grown: float

    def wrong(self, what: str, *, grown: float, most: float) -> list[str]:
        """Return in words how far it was not flat.

        Args:
            what: its name.
            grown: by how much it may grow over the whole time.
            most: how much more than the median it may be at any time.
        """
        found = []
        if self.grown > grown:
            found.append(f"{what} grew by {self.grown:,.0f} over the time, {grown:,.0f} may be")
        if self.most > self.middle + most:
            found.append(
                f"{what} came to {self.most:,.0f}, {most:,.0f} more than {self.middle:,.0f} may be"
            )
        return found


def course(samples: Sequence[tuple[float, float]], *, warm_up: float = WARM_UP) -> Course:
    """Return how a quantity went.

    Args:
        samples: pairs of time and quantity, in the order of time.
        warm_up: the share of the samples, at the start, that does not count.

    Raises:
        ValueError: fewer than two samples are left after the warm-up.
    """
    kept = samples[int(len(samples) * warm_up) :]
    if len(kept) < 2:
        raise ValueError(f"{len(samples)} samples are too few")
    # Of many samples every n-th is enough, since all pairs are looked at.
    thin = kept[:: max(1, len(kept) // 200)]
    slope = statistics.median((y - x) / (b - a) for (a, x), (b, y) in combinations(thin, 2))
    values = [value for _, value in kept]
    return Course(statistics.median(values), max(values), slope * (kept[-1][0] - kept[0][0]))
