"""Where frames go next: the routes of a node, and what a path's status is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clawmatrix_core.base.node_id import NodeId

__all__ = ["PathStatus", "Route", "Routes", "moved"]


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


class Routes(dict["NodeId", Route]):
    """Routes, with the nodes whose next hop differs from that in the routes before.

    A plugin that computes routes may return these in place of a plain mapping, which is then
    compared entry by entry. Nobody changes them once they were given.

    Attributes:
        moved: the nodes whose next hop changed, appeared or went since ``after``; None where
            that has to be found out.
        word: stands for these routes with those that come after them.
    """

    __slots__ = ("_after", "moved", "word")

    def __init__(
        self,
        routes: Mapping[NodeId, Route],
        *,
        after: Routes | None = None,
        moved: Iterable[NodeId] = (),
    ) -> None:
        super().__init__(routes)
        self.word = object()
        self._after = None if after is None else after.word  # the routes themselves would stay
        self.moved = None if after is None else frozenset(moved)

    def follows(self, before: Mapping[NodeId, Route]) -> bool:
        """Say whether these are the next routes after others, and ``moved`` is the difference."""
        return isinstance(before, Routes) and before.word is self._after


def moved(before: Mapping[NodeId, Route], now: Mapping[NodeId, Route]) -> frozenset[NodeId]:
    """Return the nodes whose next hop is another one now, or that are in one of the two only."""
    if now is before:
        return frozenset()
    if isinstance(now, Routes) and now.moved is not None and now.follows(before):
        return now.moved
    return frozenset(name for name in {*before, *now} if _hop(before, name) != _hop(now, name))


def _hop(routes: Mapping[NodeId, Route], name: NodeId) -> NodeId | None:
    return routes[name].next_hop if name in routes else None


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
