"""How each node is reached, from evidence: what was heard, and over which route."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import msgspec

from clawmatrix_core import ExchangeError, PathStatus

if TYPE_CHECKING:
    from clawmatrix_core import Node, NodeId

__all__ = ["FRESH", "PROBE_LIMIT", "Paths"]

FRESH = 10.0
"""Seconds for which having heard a node over its present route is evidence enough."""
STALE = 90.0
"""Seconds after which evidence is none, even where nobody asked to make sure."""
PROBE_LIMIT = 4.0
"""Seconds a node has to answer a probe, beside those that its distance takes."""
QUESTION_LIMIT = 9.0
"""Seconds in which a question has its answer, whatever the distance."""
PROBE_INTERVAL = 60.0
"""Seconds between probes of the paths that somebody was interested in."""
INTEREST = 600.0
"""Seconds for which a question counts as interest. Traffic is evidence without probes."""


class _Path(msgspec.Struct):
    """What is known of the path to one node, in the clock's seconds.

    Attributes:
        since: when the route came to lead over this next hop.
        confirmed: when the node was last heard over it.
        latency_ms: the round trip of the last probe.
        asked: when somebody wanted to know.
        failed: when it last did not answer, unless it was heard since.
    """

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
        with anyio.move_on_after(QUESTION_LIMIT):
            while self._plain(peer, path) is None and self._is_doubtful(path, probe=probe):
                await self._probe(peer)
                probed, path = path, self._path(peer)
                if probed is path:
                    break  # else the route has changed, and the probe says nothing of it
        status = self._plain(peer, path)
        if status is not None:
            return status
        if path.failed is not None:
            return self._unreachable(peer, f"no answer over {path.next_hop}")
        return self._relay(peer, path)

    def _plain(self, peer: NodeId, path: _Path) -> PathStatus | None:
        """Return the status where it is beyond doubt; None where there is a relay to ask."""
        node = self._node
        if peer == node.id:
            return PathStatus("direct", latency_ms=0.0, last_seen=node.clock.wall())
        link = node.links.get(peer)
        if link is not None and link.closing is None:
            age = node.clock.now() - link.last_received
            return PathStatus("direct", None, link.rtt, self._last_seen(peer), age)
        if path.next_hop == peer:  # no relay leads to itself
            return self._unreachable(peer, "the link to it is closing")
        if path.next_hop is None:
            return self._unreachable(peer, self._why_no_path(peer))
        return None

    def _is_doubtful(self, path: _Path, *, probe: bool) -> bool:
        now = self._node.clock.now()
        if path.failed is not None:
            return probe or now - path.failed > FRESH
        return path.confirmed is None or now - path.confirmed > (FRESH if probe else STALE)

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

    async def _probe(self, peer: NodeId) -> None:
        node = self._node
        path = self._path(peer)
        route = node.routes.get(peer)
        round_trip = 0.0 if route is None else route.cost / 1000
        # A session may have to be made first, and a frame may be lost: four round trips.
        limit = min(QUESTION_LIMIT - 1.0, PROBE_LIMIT + 4 * round_trip)
        has_session = node.switch.instance_of(peer) is not None
        try:
            latency = await self._ping(peer, limit)
            if not has_session:
                latency = await self._ping(peer, limit)  # the first one waited for a session
        except ExchangeError:
            path.failed = node.clock.now()
        else:
            self._path(peer).latency_ms = latency

    async def _ping(self, peer: NodeId, limit: float) -> float:
        """Return the milliseconds a ping takes. Raises: ExchangeError."""
        began = self._node.clock.now()
        async with self._node.exchange(peer, "ping", complete=True, deadline=limit) as ex:
            await ex.receive()
        return (self._node.clock.now() - began) * 1000

    def _path(self, peer: NodeId) -> _Path:
        """Return what is known of the path over the present route."""
        route = self._node.routes.get(peer)
        hop = None if route is None else route.next_hop
        path = self._paths.get(peer)
        if path is None or path.next_hop != hop:
            asked = path.asked if path is not None else float("-inf")
            path = self._paths[peer] = _Path(self._node.clock.now(), hop, asked=asked)
        heard = self._node.heard.get(peer, float("-inf"))
        if heard > max(path.since, path.failed or path.since):
            path.confirmed, path.failed = heard, None
        return path

    def note_changed_routes(self, changed: frozenset[NodeId]) -> None:
        """Note that earlier evidence is none for the new routes."""
        for peer in changed & self._paths.keys():
            self._path(peer)

    async def run(self) -> None:
        """Confirm, each minute, the paths somebody was interested in."""
        node = self._node
        while True:
            await anyio.sleep(PROBE_INTERVAL * node.random.uniform(0.8, 1.2))
            now = node.clock.now()
            wanted = {p: path for p, path in self._paths.items() if now - path.asked < INTEREST}
            self._paths = wanted
            for peer in sorted(wanted):
                path = self._path(peer)
                if self._plain(peer, path) is None and self._is_doubtful(path, probe=True):
                    await self._probe(peer)
