"""The metrics of the core itself, beside those that plugins register."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.base.metric import Metric, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_core.kernel.stack import Stack
    from clawmatrix_core.members.directory import Directory

__all__ = ["own_metrics"]


def own_metrics(stack: Stack, directory: Directory) -> list[Metric]:
    """Return the metrics of a node's stack, and of the members that it reaches."""
    counters, ways, exchanges = stack.local.counters, stack.ways, stack.exchanges

    def events() -> Iterable[Sample]:
        return [Sample(count, (reason,)) for reason, count in sorted(counters.items())]

    def reached() -> Iterable[Sample]:
        return [Sample(sum(ways.next_link(p.node_id) is not None for p in directory.others()))]

    words = "What was counted, by reason."
    return [
        Metric("clawmatrix_events_total", "counter", words, events, ("reason",)),
        Metric("clawmatrix_links", "gauge", "Open links.", lambda: [Sample(len(ways.links))]),
        Metric("clawmatrix_nodes_reachable", "gauge", "Other nodes in reach.", reached),
        Metric(
            "clawmatrix_exchanges",
            "gauge",
            "Exchanges under way.",
            lambda: [Sample(len(exchanges.live))],
        ),
    ]
