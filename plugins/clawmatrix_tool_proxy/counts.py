"""How calls ended, counted for the status and the metrics."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from clawmatrix_core import Metric, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_tool_proxy.wire import Outcome

__all__ = ["Counts"]

_KNOWN: Final = (
    "success",
    "not_allowed",
    "busy",
    "bad_request",
    "bad_arguments",
    "bad_schema",
    "too_large",
    "approval_pending",
    "deadline",
    "revoked",
    "cancelled",
    "internal",
)
"""Words that are counted apart; codes of tools' own are ``failed``."""


class Counts:
    """Counts the calls that this node has answered, by outcome."""

    def __init__(self) -> None:
        self._outcomes: Counter[str] = Counter()

    def count(self, outcome: Outcome) -> None:
        """Count one call."""
        word = "success" if outcome.success else outcome.code
        self._outcomes[word if word in _KNOWN else "failed"] += 1

    def read(self) -> Mapping[str, int]:
        """Return how many there were of each outcome that there was."""
        return dict(sorted(self._outcomes.items()))

    def metrics(self, running: Callable[[], Mapping[str, int]]) -> list[Metric]:
        """Return the metrics of calls; ``running`` says how many of each tool run."""
        return [
            Metric(
                "clawmatrix_tool_calls_total",
                "counter",
                "Calls of tools that this node answered.",
                lambda: [Sample(n, (word,)) for word, n in self.read().items()],
                ("outcome",),
            ),
            Metric(
                "clawmatrix_tools_running",
                "gauge",
                "Calls of tools that run now.",
                lambda: [Sample(n, (tool,)) for tool, n in running().items()],
                ("tool",),
            ),
        ]
