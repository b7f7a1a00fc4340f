"""All routes, computed from nothing in the plainest way: what a table that is kept must equal."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from clawmatrix_core.wire.routes import Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.members.record import NodeRecord

__all__ = ["all_routes"]

_MS = 1_000_000
_HOP = _MS // 2


def all_routes(
    own: NodeId, neighbours: Mapping[NodeId, float], records: Mapping[NodeId, NodeRecord]
) -> dict[NodeId, Route]:
    """Return the cheapest route to each node; hops and the first name decide among equal ones."""

    def price(one: NodeId, other: NodeId) -> int | None:
        ends = records.get(one), records.get(other)
        if ends[0] is None or ends[1] is None:
            return None
        there, back = ends[0].links.get(other), ends[1].links.get(one)
        return None if there is None or back is None else round((there + back) / 2 * _MS)

    queue = [
        (_told(price(own, peer), rtt) + _HOP, 1, peer, peer) for peer, rtt in neighbours.items()
    ]
    heapq.heapify(queue)
    found: dict[NodeId, Route] = {}
    while queue:
        cost, hops, first, node = heapq.heappop(queue)
        if node in found or node == own:
            continue
        found[node] = Route(first, cost / _MS, hops)
        record = records.get(node)
        if record is None or not record.transit:
            continue
        for other in record.links:
            more = price(node, other)
            if more is not None:
                heapq.heappush(queue, (cost + more + _HOP, hops + 1, first, other))
    return found


def _told(price: int | None, measured: float) -> int:
    return round(measured * _MS) if price is None else price
