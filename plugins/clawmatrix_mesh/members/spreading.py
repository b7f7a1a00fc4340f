"""Sending new records to the neighbours: at once where they are few, else together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from clawmatrix_mesh.members.digests import in_batches
from clawmatrix_mesh.members.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_core import Link, Node, NodeId
    from clawmatrix_core.spi import SignedRecord
    from clawmatrix_mesh.members.digests import Summary

__all__ = ["Spreading"]

_GAP = 0.05
"""Seconds between two rounds of sending, so that a storm of records takes few frames."""
_BURST, _REFILL = 30, 1.0
"""Records of another node that are passed on at once, and in a second after that: more than an
honest node writes. Of those that come faster, the latest goes when its time has come."""
_HELD_LOOK = 0.5
"""Seconds between looks at the records that are held back."""


class Spreading:
    """Sends each new record to every neighbour but the one it came from."""

    def __init__(self, node: Node, summary: Summary) -> None:
        self._node = node
        self._summary = summary
        self._pace = Pace(_BURST, _REFILL, node.clock.now)
        self._news: dict[NodeId, tuple[SignedRecord, Link | None]] = {}
        self._some = anyio.Event()
        self._held: dict[NodeId, tuple[SignedRecord, Link | None]] = {}

    def spread(self, name: NodeId, signed: SignedRecord, *, but: Link | None = None) -> None:
        """Send a record in the next round."""
        self._summary.outdate()
        self._news[name] = (signed, but)
        self._some.set()

    def pass_on(self, name: NodeId, signed: SignedRecord, link: Link) -> None:
        """Spread another node's record; hold it back where they come too often."""
        self._summary.outdate()
        self._held.pop(name, None)
        if self._pace.admit(name):
            self.spread(name, signed, but=link)
            return
        self._held[name] = (signed, link)
        self._some.set()
        why = "its record changes too often to pass each on"
        self._node.switch.report(name, "record_rate", why, link=link)

    def send(self, link: Link, records: Iterable[SignedRecord]) -> None:
        """Send records to one neighbour now."""
        for batch in in_batches(records):
            self._node.switch.send_to_neighbour(link, "records", "", batch)

    async def run(self) -> None:
        """Send what is new at once, and what comes in quick succession together."""
        while True:
            with anyio.move_on_after(_HELD_LOOK if self._held else None):
                await self._some.wait()
            self._some = anyio.Event()
            self._release()
            news, self._news = self._news, {}
            for link in tuple(self._node.links.values()):
                self.send(link, (signed for signed, but in news.values() if link is not but))
            await anyio.sleep(_GAP)

    def _release(self) -> None:
        self._pace.tick()
        for name in tuple(self._held):
            if self._pace.admit(name):
                self._news.setdefault(name, self._held.pop(name))
