"""Routes from the members' records: shortest by measured latency, over any number of hops.

Pure: records in, routes out.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from clawmatrix_core import Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clawmatrix_core import NodeId, NodeRecord

__all__ = ["HOP_COST", "edges", "shortest_routes"]

HOP_COST = 0.5
"""Milliseconds that each hop counts beside its latency, so that short paths win ties."""


def edges(records: Iterable[NodeRecord]) -> dict[NodeId, dict[NodeId, float]]:
    """Return what each link costs, for the links that both of their ends list."""
    told = {record.node_id: record.links for record in records}
    graph: dict[NodeId, dict[NodeId, float]] = {}
    for node, links in told.items():
        for other, there in links.items():
            back = told.get(other, {}).get(node)
            if back is not None:
                graph.setdefault(node, {})[other] = (there + back) / 2
    return graph


def shortest_routes(
    own: NodeId, neighbours: Mapping[NodeId, float], records: Iterable[NodeRecord]
) -> dict[NodeId, Route]:
    """Return the route to every node that can be reached.

    ``neighbours`` are the open links, each with its round trip in milliseconds: that a link
    is open is known here first-hand, whatever the records say. What it costs is taken from
    the records all the same, where they have it: nodes that reckon with the same costs send
    no frame round in a circle. No way leads through a node that says it does not relay.
    """
    records = tuple(records)
    closed = {record.node_id for record in records if not record.transit}
    graph = edges(records)
    told = graph.get(own, {})
    graph[own] = {peer: told.get(peer, latency) for peer, latency in neighbours.items()}
    routes: dict[NodeId, Route] = {}
    # Cost, hops and names decide, in this order, so that equal input gives equal routes.
    queue = [
        (latency + HOP_COST, 1, peer, peer) for peer, latency in graph[own].items() if peer != own
    ]
    heapq.heapify(queue)
    while queue:
        cost, hops, first, node = heapq.heappop(queue)
        if node in routes or node == own:
            continue
        routes[node] = Route(first, cost, hops)
        if node in closed:
            continue
        for other, latency in graph.get(node, {}).items():
            if other not in routes and other != own:
                heapq.heappush(queue, (cost + latency + HOP_COST, hops + 1, first, other))
    return routes
