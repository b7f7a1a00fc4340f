"""Tables of routes with all records in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_relay.routing import RouteTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.members.record import NodeRecord
    from clawmatrix_core.wire.routes import Route
    from clawmatrix_relay.graph import Graph

__all__ = ["graph_of", "shortest_routes", "table_of"]

MUCH = 1_000_000


def table_of(
    own: NodeId, neighbours: Mapping[NodeId, float], records: Iterable[NodeRecord]
) -> RouteTable:
    """Return a table whose work is done; ``neighbours`` are open links with their round trips."""
    table = RouteTable(own)
    for record in records:
        table.note_record(record.node_id, record)
    table.note_neighbours(neighbours)
    while not table.work(MUCH):
        pass
    return table


def shortest_routes(
    own: NodeId, neighbours: Mapping[NodeId, float], records: Iterable[NodeRecord]
) -> Mapping[NodeId, Route]:
    """Return the route to every node that can be reached."""
    return table_of(own, neighbours, records).routes()


def graph_of(own: NodeId, records: Iterable[NodeRecord]) -> Graph:
    """Return the links that both of their ends list."""
    return table_of(own, {}, records).graph
