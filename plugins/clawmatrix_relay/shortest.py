"""The shortest paths from one node to all others, mended where the graph changes.

Each node that is reached has a label: cost, hops and the first node on the way decide, in this
order. A label is its predecessor's and one link more, and is more than that one, so there is
one set of labels for each graph, and it does not depend on the order of changes. A change
therefore leads to the labels that a computation of all of them finds.

What became dearer or went is torn off with all that hung on it, and gets labels anew from the
nodes around. What became cheaper is passed on from there.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import NodeId
    from clawmatrix_relay.graph import Graph

__all__ = ["HOP", "Label", "ShortestPaths"]

HOP = 500_000
"""Nanoseconds that each hop counts beside its latency, so that short paths win ties."""

Label = tuple[int, int, "NodeId"]
"""Cost in nanoseconds, hops, and the neighbour that the way begins with."""


class ShortestPaths:
    """The label of each node that can be reached.

    Report changes of the graph after they were made, then call ``settle`` until it returns
    True. No change may be reported while it has returned False.

    Attributes:
        labels: by node, without this one.
        changed: the nodes whose labels may have changed; the caller empties it.
        looked: links looked at so far; tests hold this against what changed.
    """

    def __init__(self, own: NodeId, graph: Graph) -> None:
        self.labels: dict[NodeId, Label] = {}
        self.changed: set[NodeId] = set()
        self.looked = 0
        self._own = own
        self._graph = graph
        self._roots: dict[NodeId, int] = {}
        self._parents: dict[NodeId, NodeId] = {}
        self._children: dict[NodeId, set[NodeId]] = {}
        self._torn: list[NodeId] = []
        self._better: list[tuple[NodeId, NodeId]] = []
        self._queue: list[tuple[Label, NodeId, NodeId]] = []  # label, node, its predecessor
        self._offered: dict[NodeId, Label] = {}  # the best in the queue for each node

    def __repr__(self) -> str:
        return f"<ShortestPaths from {self._own} to {len(self.labels)}, settled={self.settled}>"

    @property
    def settled(self) -> bool:
        """Whether the labels are those of the graph."""
        return not (self._torn or self._better or self._queue)

    # --- changes

    def use_roots(self, roots: Mapping[NodeId, int]) -> None:
        """Begin with these links of the own node, each with its cost."""
        differing = {name for name, _ in roots.items() ^ self._roots.items()}
        before, self._roots = self._roots, dict(roots)
        for name in differing:
            self._way_changed(self._own, name, before.get(name), roots.get(name))

    def link_changed(self, one: NodeId, other: NodeId, before: int | None, now: int | None) -> None:
        """Note that a link costs something else, came or went. Those of the own node are roots."""
        if self._own not in (one, other):
            self._way_changed(one, other, before, now)
            self._way_changed(other, one, before, now)

    def node_closed(self, node: NodeId) -> None:
        """Note that a node passes nothing on any more."""
        for child in tuple(self._children.get(node, ())):
            self._tear(child)

    def node_opened(self, node: NodeId) -> None:
        """Note that a node passes frames on from now on."""
        if node in self.labels:
            self._better += ((node, other) for other in self._graph.of(node))

    def _way_changed(
        self, source: NodeId, target: NodeId, before: int | None, now: int | None
    ) -> None:
        if now is not None and (before is None or now < before):
            # A source without a label looks at all its links when it gets one.
            if source in self.labels or source == self._own:
                self._better.append((source, target))
        elif self._parents.get(target) == source:
            self._tear(target)

    def _tear(self, node: NodeId) -> None:
        """Take the labels of a node, and of all whose way leads over it."""
        parent = self._parents.get(node)
        if parent is not None:
            self._children[parent].discard(node)
        torn = [node]
        for each in torn:  # grows on the way
            if self.labels.pop(each, None) is not None:
                del self._parents[each]
                self._torn.append(each)
                torn += self._children.pop(each, ())
        self.looked += len(torn)
        self.changed.update(torn)

    # --- mending

    def settle(self, most: int) -> bool:
        """Go on mending, for about as many links as given; return whether all is done."""
        end = self.looked + most
        while self.looked < end and not self.settled:
            if self._torn:
                node = self._torn.pop()
                self._offer_best(node)
            elif self._better:
                self._offer(*self._better.pop())
            else:
                self._take(*heapq.heappop(self._queue))
        return self.settled

    def _offer_best(self, node: NodeId) -> None:
        """Offer a node the best way from those around that have a label."""
        links, labels, closed = self._graph.of(node), self.labels, self._graph.closed
        self.looked += len(links)
        best = self._way(self._own, node)
        for source, price in links.items():
            label = labels.get(source)
            if label is None or source in closed:
                continue
            offered = (label[0] + price + HOP, label[1] + 1, label[2])
            if best is None or (offered, node, source) < best:
                best = (offered, node, source)
        if best is not None:
            self._push(*best)

    def _offer(self, source: NodeId, target: NodeId) -> None:
        entry = self._way(source, target)
        if entry is not None and self._is_better(entry[0], target):
            self._push(*entry)

    def _push(self, label: Label, node: NodeId, parent: NodeId) -> None:
        self._offered[node] = label
        heapq.heappush(self._queue, (label, node, parent))

    def _way(self, source: NodeId, target: NodeId) -> tuple[Label, NodeId, NodeId] | None:
        """Return the way to a node over a given last link, None where there is none."""
        self.looked += 1
        if source == self._own:
            price = self._roots.get(target)
            return None if price is None else ((price + HOP, 1, target), target, source)
        label, price = self.labels.get(source), self._graph.of(source).get(target)
        if label is None or price is None or source in self._graph.closed or target == self._own:
            return None
        return (label[0] + price + HOP, label[1] + 1, label[2]), target, source

    def _is_better(self, label: Label, node: NodeId) -> bool:
        known = self._offered.get(node) or self.labels.get(node)
        return known is None or label < known

    def _take(self, label: Label, node: NodeId, parent: NodeId) -> None:
        """Give a node its label, and look on from it."""
        self.looked += 1
        if self._offered.get(node) != label:
            return  # a better one came later, and was taken
        del self._offered[node]
        before = self._parents.get(node)
        if before is not None:
            self._children[before].discard(node)
        self.labels[node] = label
        self._parents[node] = parent
        self._children.setdefault(parent, set()).add(node)
        self.changed.add(node)
        if node not in self._graph.closed:
            self._look_on(label, node)

    def _look_on(self, label: Label, node: NodeId) -> None:
        so_far, hops, first = label[0] + HOP, label[1] + 1, label[2]
        links, labels, offers = self._graph.of(node), self.labels, self._offered
        self.looked += len(links)
        for other, price in links.items():
            offered = (so_far + price, hops, first)
            known = offers.get(other) or labels.get(other)
            if (known is None or offered < known) and other != self._own:
                self._push(offered, other, node)
