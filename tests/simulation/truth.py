"""What is so in a simulation, as one sees it who stands outside, and how far nodes know it.

Costs and components are worked out here anew, by other means than the nodes use.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from clawmatrix_core.base.node_id import NodeId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.wire.routes import PathStatus
    from tests.simulation.mesh import Host, Mesh

__all__ = [
    "components",
    "open_pairs",
    "path_cost",
    "route_errors",
    "shortest_costs",
    "status_errors",
]

Pair = frozenset[str]


def open_pairs(mesh: Mesh) -> frozenset[Pair]:
    """Return who can talk to whom directly: both ends have a link, and the network lets it."""
    up = {host.name: host.running for host in mesh.up}
    return frozenset(
        frozenset((name, peer))
        for name, node in up.items()
        for peer in node.links
        if _linked(node, peer, up.get(peer))
        and not mesh.network.is_blocked(name, peer)
        and not mesh.network.is_blocked(peer, name)
    )


def _linked(node: Node, peer: NodeId, other: Node | None) -> bool:
    link = node.links[peer]
    back = other.links.get(node.id) if other is not None else None
    return back is not None and back.session.id == link.session.id


def components(names: Iterable[str], pairs: Iterable[Pair]) -> dict[str, str]:
    """Return the part of the graph each name is in, named by its first member."""
    part = {name: name for name in sorted(names)}
    for a, b in map(sorted, sorted(pairs, key=sorted)):
        if part[a] != part[b]:
            low, high = sorted((part[a], part[b]))
            part = {name: low if where == high else where for name, where in part.items()}
    return part


def shortest_costs(
    names: Sequence[str], costs: Mapping[tuple[str, str], float]
) -> dict[tuple[str, str], float]:
    """Return the least cost between all hosts, after Floyd and Warshall."""
    far = [[math.inf] * len(names) for _ in names]
    place = {name: index for index, name in enumerate(names)}
    for (a, b), cost in costs.items():
        far[place[a]][place[b]] = cost
    for index in range(len(names)):
        far[index][index] = 0.0
    for middle, onward in enumerate(far):
        for row in far:
            lead = row[middle]
            if lead < math.inf:
                row[:] = [min(known, lead + rest) for known, rest in zip(row, onward, strict=True)]
    return {(a, b): far[place[a]][place[b]] for a in names for b in names}


def path_cost(
    hosts: Mapping[str, Host], costs: Mapping[tuple[str, str], float], a: str, b: str
) -> float:
    """Return what the way costs that a frame would take hop by hop; infinite if it fails."""
    cost, at = 0.0, a
    for _ in hosts:
        if at == b:
            return cost
        link = hosts[at].running.switch.next_link(NodeId(b))
        if link is None or (at, link.peer) not in costs:
            return math.inf
        cost += costs[at, link.peer]
        at = link.peer
    return cost if at == b else math.inf


def route_errors(mesh: Mesh) -> list[str]:
    """Return which routes lead nowhere, and which are missing."""
    pairs = open_pairs(mesh)
    part = components([host.name for host in mesh.up], pairs)
    costs = {(a, b): 1.0 for pair in pairs for a in pair for b in pair if a != b}
    errors = []
    for host in mesh.up:
        for name in sorted(mesh.hosts.keys() - {host.name}):
            possible = part[host.name] == part.get(name)
            if host.running.reachable(NodeId(name)) != possible:
                errors.append(f"{host.name} to {name}: {'no' if possible else 'a'} route")
            elif possible and path_cost(mesh.hosts, costs, host.name, name) == math.inf:
                errors.append(f"{host.name} to {name}: a route that leads nowhere")
    return errors


async def status_errors(mesh: Mesh, seen: list[tuple[str, str, PathStatus]]) -> list[str]:
    """Ask every node how it reaches every other; return what is not so, and add what it said."""
    pairs = open_pairs(mesh)
    part = components([host.name for host in mesh.up], pairs)
    errors = []
    for host in mesh.up:
        for name in sorted(mesh.hosts.keys() - {host.name}):
            status = await host.running.path_status(NodeId(name))
            seen.append((host.name, name, status))
            if frozenset((host.name, name)) in pairs:
                right = status.status == "direct"
            elif part[host.name] == part.get(name):
                via = frozenset((host.name, status.via or ""))
                right = status.status == "relay" and via in pairs
            else:
                right = status.status == "unreachable"
            if not right:
                errors.append(f"{host.name} to {name}: {status}")
    return errors
