"""Statistics of figures that were measured in pairs: one of each pair before a change, one after.

Pure: values in, values out, and the seed of what is drawn at random is passed in.
"""

from __future__ import annotations

import math
import random
import statistics
from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RESAMPLES", "Interval", "interval", "ratios"]

RESAMPLES = 10_000
CONFIDENCE = 0.95


@attrs.frozen
class Interval:
    """The median of some ratios, and how sure it is.

    Attributes:
        low, high: the ends of the interval of 95 %.
        pairs: how many ratios there were.
    """

    median: float
    low: float
    high: float
    pairs: int

    def is_below(self, floor: float) -> bool:
        """Return whether the interval lies wholly below a ratio."""
        return self.high < floor


def ratios(
    old: Sequence[float], new: Sequence[float], better: Literal["higher", "lower"]
) -> list[float]:
    """Return how much better each new figure is than the old one of its pair: above 1 is better.

    Pairs in which a figure is not above zero have no ratio, and are left out.
    """
    pairs = [pair for pair in zip(old, new, strict=True) if min(pair) > 0]
    if better == "higher":
        return [after / before for before, after in pairs]
    return [before / after for before, after in pairs]


def interval(found: Sequence[float], *, seed: int, resamples: int = RESAMPLES) -> Interval:
    """Return the median of ratios with its interval.

    The interval is that of the percentile bootstrap: the median of the logarithms is taken of
    many samples that are drawn from them, with replacement.

    Raises:
        ValueError: there is no ratio, or one is not above zero.
    """
    logs = sorted(math.log(ratio) for ratio in found)
    if not logs:
        raise ValueError("no ratios")
    draw = random.Random(seed)
    medians = sorted(statistics.median(draw.choices(logs, k=len(logs))) for _ in range(resamples))
    tail = (1 - CONFIDENCE) / 2
    low, high = math.floor(tail * resamples), math.ceil((1 - tail) * resamples) - 1
    ends = statistics.median(logs), medians[low], medians[high]
    median, lowest, highest = (math.exp(log) for log in ends)
    return Interval(median, lowest, highest, len(logs))
