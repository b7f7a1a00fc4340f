"""How each node is reached, from evidence: what was heard, and over which route."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core.errors import ExchangeError
from clawmatrix_core.routes import PathStatus

if TYPE_CHECKING:
    from clawmatrix_core.frames import NodeId
    from clawmatrix_core.node import Node

__all__ = ["FRESH", "PROBE_LIMIT", "Paths"]

FRESH = 10.0
"""Seconds for which having heard a node over its present route is evidence enough."""
PROBE_LIMIT = 3.0
"""Seconds a node has to answer a probe."""
PROBE_INTERVAL = 60.0
"""Seconds between probes of the paths that somebody was interested in."""
INTEREST = 600.0
"""Seconds for which traffic, or a question, counts as interest."""


@attrs.define
class _Path:
    """What is known of the path to one node, in the clock's seconds."""

    since: float
    next_hop: NodeId | None
    confirmed: float | None = None
    latency_ms: float | None = None
    asked: float = float("-inf")
    failed: float | None = None


class Paths:
    """Answers how a node is reached. A path in the records alone is no evidence."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._paths: dict[NodeId, _Path] = {}

    async def status(self, peer: NodeId, *, probe: bool) -> PathStatus:
        """Return the status of a node; with ``probe``, ask it where evidence is old."""
        path = self._path(peer)
        path.asked = self._node.clock.now()
        status = self._judge(peer, path)
        if status is None and (probe or path.confirmed is None):
            await self._probe(peer, path)
            status = self._judge(peer, self._path(peer))
        if status is not None:
            return status
        return self._relay(peer, path)

    def _judge(self, peer: NodeId, path: _Path) -> PathStatus | None:
        """Return the status where it is beyond doubt; None where a probe has to tell."""
        node = self._node
        if peer == node.id:
            return PathStatus("direct", latency_ms=0.0, last_seen=node.clock.wall())
        link = node.links.get(peer)
        if link is not None and link.closing is None:
            age = node.clock.now() - link.last_received
            return PathStatus("direct", None, link.rtt, self._last_seen(peer), age)
        if path.next_hop is None:
            return self._unreachable(peer, self._why_no_path(peer))
        heard = node.heard.get(peer)
        if heard is not None and heard > path.since:
            path.confirmed = max(path.confirmed or heard, heard)
        if path.failed is not None and (path.confirmed is None or path.failed > path.confirmed):
            return self._unreachable(peer, f"no answer over {path.next_hop}")
        if path.confirmed is not None and node.clock.now() - path.confirmed <= FRESH:
            return self._relay(peer, path)
        return None

    def _relay(self, peer: NodeId, path: _Path) -> PathStatus:
        route = self._node.routes.get(peer)
        expected = None if route is None else route.cost
        latency = expected if path.latency_ms is None else path.latency_ms
        age = None if path.confirmed is None else self._node.clock.now() - path.confirmed
        return PathStatus("relay", path.next_hop, latency, self._last_seen(peer), age)

    def _unreachable(self, peer: NodeId, reason: str) -> PathStatus:
        return PathStatus("unreachable", last_seen=self._last_seen(peer), reason=reason)

    def _why_no_path(self, peer: NodeId) -> str:
        record = self._node.directory.get(peer)
        if record is None:
            return "no member of that name is known"
        return "no path to it" if self._node.links else "this node has no link to any other"

    def _last_seen(self, peer: NodeId) -> float | None:
        heard = self._node.heard.get(peer)
        if heard is None:
            return None
        return self._node.clock.wall() - (self._node.clock.now() - heard)

    async def _probe(self, peer: NodeId, path: _Path) -> None:
        node = self._node
        began = node.clock.now()
        try:
            async with node.exchange(peer, "ping", complete=True, deadline=PROBE_LIMIT) as ex:
                await ex.receive()
        except ExchangeError:
            path.failed = node.clock.now()
        else:
            path.confirmed = node.clock.now()
            path.latency_ms = (path.confirmed - began) * 1000
            path.failed = None

    def _path(self, peer: NodeId) -> _Path:
        route = self._node.routes.get(peer)
        hop = None if route is None else route.next_hop
        path = self._paths.get(peer)
        if path is None or path.next_hop != hop:
            asked = path.asked if path is not None else float("-inf")
            path = self._paths[peer] = _Path(self._node.clock.now(), hop, asked=asked)
        return path

    def routes_changed(self, changed: frozenset[NodeId]) -> None:
        """Note that earlier evidence is none for the new routes."""
        for peer in changed & self._paths.keys():
            self._path(peer)

    async def run(self) -> None:
        """Confirm, each minute, the paths somebody was interested in."""
        node = self._node
        while True:
            await anyio.sleep(PROBE_INTERVAL * node.random.uniform(0.8, 1.2))
            now = node.clock.now()
            for peer in sorted(self._paths):
                heard = node.heard.get(peer, float("-inf"))
                if now - max(heard, self._paths[peer].asked) < INTEREST:
                    path = self._path(peer)
                    if path.next_hop not in (None, peer) and now - heard > FRESH:
                        await self._probe(peer, path)
            self._paths = {
                peer: path for peer, path in self._paths.items() if now - path.asked < 2 * INTEREST
            }
