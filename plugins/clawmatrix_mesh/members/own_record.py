"""This node's own record: what stands in it, and how often it is written."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core import NodeRecord
from clawmatrix_core.spi import SignedRecord, raise_epoch
from clawmatrix_mesh.members.obeying import REVOKERS
from clawmatrix_mesh.members.revoking import REVOCATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_core import Link, Node, NodeId
    from clawmatrix_mesh.members.digests import Summary
    from clawmatrix_mesh.members.spreading import Spreading

__all__ = ["OwnRecord", "rtt_matters"]

_GATHER = 0.05
"""Seconds in which changes are gathered into one record."""
_WRITE_GAP = 0.2
"""Seconds between two records at least."""
_BURST, _REFILL = 10, 2.0
"""Records written in a row, and seconds until there may be one more."""
_RTT_INTERVAL = 10.0
"""Seconds after a record in which no round trip is worth another one."""
_EPOCH_MOST = 2**48
"""An epoch that no honest node reaches. A node that jumped to it could jump no further."""
_OUTDONE_FOR = 60.0
"""Where a newer record of this node's key comes twice within these seconds, another running node
has the key."""


def rtt_matters(told: float | None, now: float) -> bool:
    """Say whether a round trip has changed enough to be told: by 25 % and 5 ms."""
    return told is None or (abs(now - told) > 5.0 and abs(now - told) > 0.25 * told)


class OwnRecord:
    """Writes this node's record, and has it spread.

    Attributes:
        addresses: gives the addresses that stand in the record.
    """

    def __init__(
        self,
        node: Node,
        summary: Summary,
        spreading: Spreading,
        *,
        version: str,
        protocol: tuple[int, int],
        addresses: Callable[[], Iterable[str]],
    ) -> None:
        self.addresses = addresses
        self._node = node
        self._summary = summary
        self._spreading = spreading
        self._version = version
        self._protocol = protocol
        self._seq = 0
        self._changed = anyio.Event()
        self._told: dict[NodeId, float] = {}
        self._left_out: set[NodeId] = set()
        self._tokens = float(_BURST)
        self._last = node.clock.now()
        self._outdone_at: float | None = None

    def write(self) -> SignedRecord:
        """Write the record as things are now, and take it into the directory."""
        node = self._node
        self._seq += 1
        record = self._make()
        signed = SignedRecord.make(record, node.identity)
        self._summary.outdate()
        node.put_own_record(record, signed)
        return signed

    def _make(self) -> NodeRecord:
        """Return the record as things are; of more links than fit, those that opened last lack."""
        bare, links = self._bare(), self._node.links
        measured = {peer: round(x.rtt, 2) for peer, x in links.items() if x.rtt is not None}
        self._told = bare.fitting_links(measured)
        left, self._left_out = self._left_out, measured.keys() - self._told.keys()
        for peer in sorted(self._left_out - left):
            why = f"{len(self._told)} links fill this node's record; others learn of no way over it"
            self._node.switch.report(peer, "too_many_links", why)
        return attrs.evolve(bare, links=dict(sorted(self._told.items())))

    def _bare(self) -> NodeRecord:
        node = self._node
        return NodeRecord(
            node_id=node.id,
            sign_key=base64.b64encode(node.identity.sign_public).decode(),
            channel_key=base64.b64encode(node.identity.channel_public).decode(),
            epoch=node.epoch,
            seq=self._seq,
            instance=node.instance,
            protocol=self._protocol,
            version=self._version,
            features=(*NodeRecord.CORE_FEATURES, REVOCATIONS, REVOKERS),
            addresses=tuple(self.addresses()),
            tags=node.config.tags,
            offers=node.offers(),
            transit=node.relays,
            succession=node.succession,
            revokers=node.revocations.revoker_words,
        )

    def latest(self) -> SignedRecord:
        """Return the record as last written; the first one is written for this."""
        own = self._node.directory.get(self._node.id)
        return self.write() if own is None else own.signed

    def touch(self) -> None:
        """Have the record written again, soon."""
        self._changed.set()

    def note_rtt(self, link: Link) -> None:
        """Note a round trip. A big change is written into the record, in its time."""
        if link.rtt is None or link.peer in self._left_out:
            return
        told = self._told.get(link.peer)
        if told is None or (
            rtt_matters(told, link.rtt) and self._node.clock.now() - self._last > _RTT_INTERVAL
        ):
            self.touch()

    async def run(self) -> None:
        """Write and spread the record whenever something changed, but not too often."""
        while True:
            await self._changed.wait()
            await anyio.sleep(_GATHER)
            wait = self._wait_for_turn()
            if wait > 0:
                await anyio.sleep(wait)
                self._wait_for_turn()
            self._changed = anyio.Event()
            self._spreading.spread(self._node.id, self.write())
            await anyio.sleep(_WRITE_GAP)

    def _wait_for_turn(self) -> float:
        """Return the seconds until the next record may be written; 0 counts one as written."""
        now = self._node.clock.now()
        self._tokens = min(_BURST, self._tokens + (now - self._last) / _REFILL)
        self._last = now
        if self._tokens < 1:
            return (1 - self._tokens) * _REFILL
        self._tokens -= 1
        return 0.0

    def outdo(self, record: NodeRecord) -> None:
        """Write a record that is newer than one of this node's key which came from elsewhere."""
        # A record of an earlier life, from a state folder that was rolled back, is outdone
        # once. If it comes again, another running node has this node's key.
        if record.epoch < self._node.epoch:
            return  # outdone already; the newer record is about to be written
        if record.epoch >= _EPOCH_MOST:
            self._report_twin("somebody has this node's key, and counts its starts to the end")
            return
        now = self._node.clock.now()
        if self._outdone_at is not None and now - self._outdone_at < _OUTDONE_FOR:
            self._report_twin("another running node uses this node's key")
            return
        self._node.epoch = raise_epoch(self._node.state, record.epoch)
        self._outdone_at = now
        self.touch()

    def _report_twin(self, what: str) -> None:
        self._node.switch.report(self._node.id, "twin", what)
