"""The links of the mesh that can be used: those that both of their ends list.

Pure. A graph is kept by the difference of each record to the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clawmatrix_core import NodeId

__all__ = ["PER_MS", "Change", "Graph", "cost"]

PER_MS = 1_000_000
"""Nanoseconds in a millisecond. Costs are whole nanoseconds: their sums are exact."""

Change = tuple["NodeId", int | None, int | None]
"""The other end of a link, its cost before and its cost now; None where there is no link."""

_NO_LINKS: Mapping[NodeId, float] = {}
_NO_COSTS: Mapping[NodeId, int] = {}
_COMPARED = 16
"""Links that are compared with the record before in the time that one edge takes."""


def cost(there: float | None, back: float | None) -> int | None:
    """Return what a link costs by the words of both ends; None where one does not list it."""
    return None if there is None or back is None else round((there + back) / 2 * PER_MS)


class Graph:
    """The links that both of their ends list, each with its cost.

    Attributes:
        closed: the nodes that say they pass nothing on.
        looked: links looked at so far; tests hold this against what changed.
    """

    def __init__(self) -> None:
        self.closed: set[NodeId] = set()
        self.looked = 0
        self._told: dict[NodeId, Mapping[NodeId, float]] = {}
        self._costs: dict[NodeId, dict[NodeId, int]] = {}

    def __repr__(self) -> str:
        return f"<Graph of {len(self._told)} records, {len(self._costs)} nodes linked>"

    def of(self, node: NodeId) -> Mapping[NodeId, int]:
        """Return the cost of each link of a node."""
        return self._costs.get(node, _NO_COSTS)

    def put(self, node: NodeId, links: Mapping[NodeId, float] | None) -> Iterator[Change]:
        """Take what a node now says of its links; None for a node that is gone.

        Yields each link that changed. The caller goes through all of them.
        """
        before, now = self._told.get(node, _NO_LINKS), links or _NO_LINKS
        self.looked += 1 + (len(before) + len(now)) // _COMPARED
        if links is None:
            self._told.pop(node, None)
        else:
            self._told[node] = links
        for other in {name for name, _ in before.items() ^ now.items()} - {node}:
            self.looked += 1
            back = self._told.get(other, _NO_LINKS).get(node)
            old, new = self.of(node).get(other), cost(now.get(other), back)
            if old != new:
                self._set(node, other, new)
                self._set(other, node, new)
                yield other, old, new

    def _set(self, node: NodeId, other: NodeId, price: int | None) -> None:
        if price is not None:
            self._costs.setdefault(node, {})[other] = price
            return
        costs = self._costs[node]
        del costs[other]
        if not costs:
            del self._costs[node]
