"""Keeping a node's routes up to date: a little at once, more of it in turns with all else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.spi import Bell
from clawmatrix_relay.graph import Graph
from clawmatrix_relay.routing import RouteTable

if TYPE_CHECKING:
    from clawmatrix_core import Node
    from clawmatrix_core.spi import Routes

__all__ = ["AT_ONCE", "Reckoning"]

AT_ONCE = 10_000
"""Links looked at in a row, which takes a few milliseconds. More of them wait for their turn."""
_PAUSE = 0.005
"""Seconds between two turns, in which others have theirs."""
_UNMEASURED = 50.0
"""Milliseconds a link counts until its round trip is measured."""


class Reckoning:
    """The routes of one node. Where the work is long, the answer is the earlier one meanwhile."""

    def __init__(self) -> None:
        self._node: Node | None = None
        self._table: RouteTable | None = None
        self._mark = 0
        self._more = Bell()

    def __repr__(self) -> str:
        return f"<Reckoning {self._table!r}, mark={self._mark}>"

    @property
    def looked(self) -> int:
        """Links looked at so far; tests hold this against what changed."""
        return 0 if self._table is None else self._table.looked

    @property
    def graph(self) -> Graph:
        """The links that the routes are made of, to be read."""
        return Graph() if self._table is None else self._table.graph

    def compute(self, node: Node) -> Routes:
        """Return the routes, as far as a little work brings them."""
        table = self._note_changes(node)
        if not table.work(AT_ONCE):
            self._more.ring()
        return table.routes()

    def _note_changes(self, node: Node) -> RouteTable:
        names = node.directory.changed_since(self._mark)
        table = self._table
        if table is None or node is not self._node or names is None:
            table, self._node = RouteTable(node.id), node
            names = [peer.node_id for peer in node.directory.all()]
        self._table, self._mark = table, node.directory.mark
        for name in names:
            peer = node.directory.get(name)
            table.note_record(name, None if peer is None else peer.record)
        table.note_neighbours(
            {
                peer: _UNMEASURED if link.rtt is None else link.rtt
                for peer, link in node.links.items()
            }
        )
        return table

    async def run(self, node: Node) -> None:
        """Do what is too much at once, until cancelled."""
        while True:
            if self._table is None or self._table.done:
                await self._more.wait()
                continue
            await anyio.sleep(_PAUSE)
            if self._table.work(AT_ONCE):
                node.compute_routes()
