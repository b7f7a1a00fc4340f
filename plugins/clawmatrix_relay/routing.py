"""Routes from the members' records: shortest by measured latency, over any number of hops.

Pure: records in, routes out. A table of routes updates only what a change affects: to compute
all routes over all links takes seconds where many nodes have many links.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Route
from clawmatrix_core.spi import Routes
from clawmatrix_relay.graph import PER_MS, Graph
from clawmatrix_relay.shortest import HOP, ShortestPaths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import NodeId, NodeRecord

__all__ = ["HOP_COST", "RouteTable"]

HOP_COST = HOP / PER_MS
"""Milliseconds that each hop counts beside its latency, so that short paths win ties."""


class RouteTable:
    """The route to every node that can be reached; a change updates the routes it affects.

    Say what changed, then call ``work`` until it returns True. Changes that come in between
    wait until the work on those before is done, so that no flood of them keeps it from an end.

    That a link of the own node is open is known here first-hand, whatever the records say.
    What it costs is taken from the records all the same, where they have it: nodes that reckon
    with the same costs send no frame round in a circle. No way leads through a node that says
    it does not relay.
    """

    def __init__(self, own: NodeId) -> None:
        self._own = own
        self._graph = Graph()
        self._paths = ShortestPaths(own, self._graph)
        self._neighbours: dict[NodeId, float] = {}
        self._new: dict[NodeId, NodeRecord | None] = {}
        self._begun: dict[NodeId, NodeRecord | None] = {}
        self._roots_due = False
        self._settled = Routes({})
        self._given = self._settled  # what was answered last, and over which links
        self._given_over = self._neighbours

    @property
    def graph(self) -> Graph:
        """The links that the routes are made of, to be read."""
        return self._graph

    def __repr__(self) -> str:
        return f"<RouteTable of {self._own}: {self._paths!r}>"

    @property
    def looked(self) -> int:
        """Links looked at so far; tests hold this against what changed."""
        return self._graph.looked + self._paths.looked

    def note_record(self, name: NodeId, record: NodeRecord | None) -> None:
        """Note a member's newest record; None for a member that is gone."""
        self._new[name] = record

    def note_neighbours(self, neighbours: Mapping[NodeId, float]) -> None:
        """Note which links are open, each with its round trip in milliseconds."""
        if neighbours != self._neighbours:
            self._neighbours = dict(neighbours)
            self._roots_due = True

    def work(self, most: int) -> bool:
        """Look at about as many links as given; return whether all that was noted is in."""
        end = self.looked + most
        while not self.done and self.looked < end:
            if self._begun:
                self._apply(*self._begun.popitem())
            elif not self._paths.settled:
                self._paths.settle(end - self.looked)
                continue
            else:
                self._begun, self._new = self._new, {}
            if not self._begun:
                self._use_roots()
        return self.done

    @property
    def done(self) -> bool:
        """Whether all that was noted is in the routes."""
        return self._paths.settled and not (self._begun or self._new or self._roots_due)

    def _apply(self, name: NodeId, record: NodeRecord | None) -> None:
        for other, before, now in self._graph.put(name, None if record is None else record.links):
            self._paths.link_changed(name, other, before, now)
        if record is None or record.transit:
            if name in self._graph.closed:
                self._graph.closed.discard(name)
                self._paths.node_opened(name)
        elif name not in self._graph.closed:
            self._graph.closed.add(name)
            self._paths.node_closed(name)

    def _use_roots(self) -> None:
        told = self._graph.of(self._own)
        self._paths.use_roots(
            {
                peer: told.get(peer, round(latency * PER_MS))
                for peer, latency in self._neighbours.items()
                if peer != self._own
            }
        )
        self._roots_due = False

    # --- the answer

    def routes(self) -> Routes:
        """Return the routes; before the work is done, the earlier ones over links still open."""
        if self.done:
            self._settle()
            self._given = self._settled
        elif self._given_over is not self._neighbours:
            self._given = self._earlier()
        self._given_over = self._neighbours
        return self._given

    def _settle(self) -> None:
        changed, labels = self._paths.changed, self._paths.labels
        if not changed:
            return
        routes, moved = dict(self._settled), set()
        for name in sorted(changed):
            before, label = routes.pop(name, None), labels.get(name)
            if label is not None:
                routes[name] = Route(label[2], label[0] / PER_MS, label[1])
            if (before and before.next_hop) != (label and label[2]):
                moved.add(name)
        changed.clear()
        follows = self._given if self._given is self._settled else None
        self._settled = Routes(routes, after=follows, moved=moved)

    def _earlier(self) -> Routes:
        still = self._neighbours
        routes = {name: route for name, route in self._settled.items() if route.next_hop in still}
        for peer, latency in still.items():
            routes.setdefault(peer, Route(peer, latency, 1))
        return Routes(routes)
