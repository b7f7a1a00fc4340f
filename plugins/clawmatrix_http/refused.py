"""Requests that were refused: counted by reason, and logged once in a while."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from clawmatrix_core import Bound, Metric, RateLimitedLogger, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_core import JSON

__all__ = ["REASONS_MOST", "Refusals", "refused_lines"]

REASONS_MOST = Bound(
    32,
    "reasons for which requests are refused, each with a count",
    fed_by="a stranger",
    when_full='a request refused for a new reason is counted as "other"',
)
_OTHER = "other"
_PREFIX = "http_"
_QUIET = frozenset({"not_found", "method_not_allowed"})
"""Reasons that mistakes of programs have, rather than attacks."""


class Refusals:
    """Counts what the server refuses.

    Attributes:
        counts: how many requests were refused, by reason.

    Args:
        logger: gets one line a minute for each reason.
        totals: the node's counters; a reason is in them with ``http_`` before it.
        now: a clock, in seconds.
    """

    def __init__(
        self, logger: logging.Logger, totals: Counter[str], now: Callable[[], float]
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._totals = totals
        self._log = RateLimitedLogger(logger, clock=now)

    def count(self, reason: str, client: str) -> None:
        """Count a request that was refused; ``client`` is who sent it, for the log."""
        if reason not in self.counts and len(self.counts) >= REASONS_MOST - 1:
            reason = _OTHER
        self.counts[reason] += 1
        self._totals[_PREFIX + reason] += 1
        level = logging.INFO if reason in _QUIET else logging.WARNING
        self._log.log(level, reason, "a request from %s was refused: %s", client, reason)

    def metric(self) -> Metric:
        """Return the counts as a metric."""
        return Metric(
            "clawmatrix_http_refused_total",
            "counter",
            "Requests that the HTTP server refused, by reason.",
            self._samples,
            ("reason",),
        )

    def _samples(self) -> Iterable[Sample]:
        return [Sample(count, (reason,)) for reason, count in sorted(self.counts.items())]


def refused_lines(section: JSON) -> list[str]:
    """Return the line of the status about refused requests; none where there were none."""
    counts = section["refused"]
    if not counts:
        return []
    told = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    return [f"HTTP requests refused: {told}"]
