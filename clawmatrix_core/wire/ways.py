"""The ways out of a node: its links, and its routes over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.wire.link import Link
    from clawmatrix_core.wire.routes import Route

__all__ = ["Ways"]


class Ways:
    """Which link a frame goes out by.

    Attributes:
        links: the open link to each neighbour.
        routes: the next hop to each node that can be reached.
    """

    def __init__(self) -> None:
        self.links: dict[NodeId, Link] = {}
        self.routes: Mapping[NodeId, Route] = {}

    def __repr__(self) -> str:
        return f"<Ways {len(self.links)} links, {len(self.routes)} routes>"

    def next_link(self, to: NodeId) -> Link | None:
        """Return the link that frames for a node go out by; None where there is no route."""
        route = self.routes.get(to)
        if route is not None:
            link = self.links.get(route.next_hop)
            if link is not None:
                return link
        return self.links.get(to)
