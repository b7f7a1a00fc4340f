"""Checks of paths: a relay that does not relay, and members nobody leads to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from clawmatrix_core import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from clawmatrix_core import Node, NodeId, NodeRecord, PathStatus
    from clawmatrix_relay.graph import Graph
    from clawmatrix_relay.reckoning import Reckoning

__all__ = ["in_the_way", "path_checks", "ways"]

_NAME = "relay.path"
_OPEN = "set [relay] transit = true there, have another node relay, or link the two directly"
_SILENT = (
    "look at its log and its [relay] limits; `clawmatrix ping NODE` tries again, and another relay"
    " among [mesh] peers is taken where there is one"
)
_NO_WAY = (
    "is it running, and does it dial a node that this one reaches? Run `clawmatrix doctor` there"
)
_AT_ONCE = 16


def path_checks(node: Node, reckoning: Reckoning) -> list[Check]:
    """Return the checks of the ways from a node that runs to all others."""

    async def paths() -> Sequence[Finding]:
        return await _look(node, reckoning)

    return [Check(_NAME, paths)]


async def _look(node: Node, reckoning: Reckoning) -> list[Finding]:
    """Make sure of every path that leads over others."""
    far = [peer.record for peer in node.directory.listed() if peer.node_id not in node.links]
    node.compute_routes()  # what the records say by now
    graph = reckoning.graph
    before = await ways(node.id, tuple(node.links), graph)
    limiter = anyio.CapacityLimiter(_AT_ONCE)
    found: dict[NodeId, Finding] = {}

    async def probe(record: NodeRecord) -> None:
        async with limiter:
            path = await node.path_status(record.node_id, probe=True)
        closed = in_the_way(record.node_id, before, graph)
        found[record.node_id] = _judge(node, record, path, closed)

    async with anyio.create_task_group() as tasks:
        for record in far:
            tasks.start_soon(probe, record)
    if not far:
        return [Finding(_NAME, "skipped", "no member is reached over others")]
    return [found[record.node_id] for record in far]


def _judge(node: Node, record: NodeRecord, path: PathStatus, closed: Sequence[NodeId]) -> Finding:
    name = record.node_id
    if path.status != "unreachable":
        return Finding(_NAME, "ok", f"{name} answers over {path.via or 'a link of its own'}")
    route = node.routes.get(name)
    if route is not None:
        detail = f"{route.next_hop} does not relay: {name} is behind it by its record, and a probe"
        return Finding(_NAME, "problem", f"{detail} over it is not answered", _SILENT)
    if closed:
        words = ", ".join(closed)
        detail = f"the way to {name} leads through {words}, and that does not relay (transit off)"
        return Finding(_NAME, "problem", detail, _OPEN)
    reason = f" ({path.reason})" if path.reason else ""
    return Finding(_NAME, "warning", f"{name} is not reached{reason}", _NO_WAY)


async def ways(
    own: NodeId, neighbours: Collection[NodeId], graph: Graph
) -> Mapping[NodeId, NodeId]:
    """Return the node before each one, on ways of the fewest links; relaying or not.

    Others have their turn on the way, since a mesh can have many links.
    """
    before: dict[NodeId, NodeId] = dict.fromkeys(sorted(neighbours), own)
    queue = deque(before)
    while queue:
        here = queue.popleft()
        for other in sorted(graph.of(here)):
            if other not in before and other != own:
                before[other] = here
                queue.append(other)
        await anyio.lowlevel.checkpoint()
    return before


def in_the_way(to: NodeId, before: Mapping[NodeId, NodeId], graph: Graph) -> list[NodeId]:
    """Return the nodes that would have to relay for the shortest way there, and do not."""
    way: list[NodeId] = []
    step = before.get(to)
    while step is not None and step in before:
        way.append(step)
        step = before.get(step)
    return [name for name in reversed(way) if name in graph.closed]
