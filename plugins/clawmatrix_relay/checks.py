"""Checks of paths: a relay that does not relay, and members nobody leads to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import Check, Finding
from clawmatrix_relay.routing import edges

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from clawmatrix_core import Node, NodeId, NodeRecord, PathStatus

__all__ = ["in_the_way", "path_checks"]

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


def path_checks(node: Node) -> list[Check]:
    """Return the checks of the ways from a node that runs to all others."""

    async def paths() -> Sequence[Finding]:
        return await _look(node)

    return [Check(_NAME, paths)]


async def _look(node: Node) -> list[Finding]:
    """Make sure of every path that leads over others."""
    far = [peer.record for peer in node.directory.others() if peer.node_id not in node.links]
    limiter = anyio.CapacityLimiter(_AT_ONCE)
    found: dict[NodeId, Finding] = {}

    async def probe(record: NodeRecord) -> None:
        async with limiter:
            path = await node.path_status(record.node_id, probe=True)
        found[record.node_id] = _judge(node, record, path)

    async with anyio.create_task_group() as tasks:
        for record in far:
            tasks.start_soon(probe, record)
    if not far:
        return [Finding(_NAME, "skipped", "no member is reached over others")]
    return [found[record.node_id] for record in far]


def _judge(node: Node, record: NodeRecord, path: PathStatus) -> Finding:
    name = record.node_id
    if path.status != "unreachable":
        return Finding(_NAME, "ok", f"{name} answers over {path.via or 'a link of its own'}")
    route = node.routes.get(name)
    if route is not None:
        detail = f"{route.next_hop} does not relay: {name} is behind it by its record, and a probe"
        return Finding(_NAME, "problem", f"{detail} over it is not answered", _SILENT)
    closed = in_the_way(node.id, name, node.links, [p.record for p in node.directory.all()])
    if closed:
        words = ", ".join(closed)
        detail = f"the way to {name} leads through {words}, and that does not relay (transit off)"
        return Finding(_NAME, "problem", detail, _OPEN)
    reason = f" ({path.reason})" if path.reason else ""
    return Finding(_NAME, "warning", f"{name} is not reached{reason}", _NO_WAY)


def in_the_way(
    own: NodeId, to: NodeId, neighbours: Collection[NodeId], records: Iterable[NodeRecord]
) -> list[NodeId]:
    """Return the nodes that would have to relay for the shortest way there, and do not. Pure."""
    records = list(records)
    graph = edges(records)
    closed = {record.node_id for record in records if not record.transit}
    before: dict[NodeId, NodeId] = dict.fromkeys(sorted(neighbours), own)
    queue = deque(before)
    while queue and to not in before:
        here = queue.popleft()
        for other in sorted(graph.get(here, {})):
            if other not in before and other != own:
                before[other] = here
                queue.append(other)
    way: list[NodeId] = []
    step = before.get(to)
    while step is not None and step != own:
        way.append(step)
        step = before.get(step)
    return [name for name in reversed(way) if name in closed]
