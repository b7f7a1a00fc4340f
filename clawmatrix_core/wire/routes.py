"""Where frames go next: the routes of a node, and what a path's status is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from clawmatrix_core.base.node_id import NodeId

__all__ = ["PathStatus", "Route"]


@attrs.frozen
class Route:
    """How to reach a node.

    Attributes:
        next_hop: the neighbour that frames are handed to.
        cost: the expected round trip over the whole path, in milliseconds.
        hops: links on the path; 1 for a neighbour.
    """

    next_hop: NodeId
    cost: float
    hops: int


@attrs.frozen
class PathStatus:
    """How a node is reached, and how that is known.

    Attributes:
        status: ``direct`` over an open, living link; ``relay`` over others; else
            ``unreachable``.
        via: the next hop, where the status is ``relay``.
        latency_ms: the measured round trip, None where none was measured.
        last_seen: wall-clock seconds at which the node was last heard, None for never.
        evidence_age: seconds since the path was last confirmed, None where it never was.
        reason: why the node is unreachable, in words.
    """

    status: Literal["direct", "relay", "unreachable"]
    via: NodeId | None = None
    latency_ms: float | None = None
    last_seen: float | None = None
    evidence_age: float | None = None
    reason: str | None = None
