"""Who is in the mesh: the records of all nodes, and how each node comes to know them.

Records spread by digest when a link opens, and one by one after that. Each heartbeat
carries a summary of all records known. Where two ends differ for two heartbeats in a row,
they exchange digests again, which makes up for a record that was lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_core import RemoteProtocolError, StateError
from clawmatrix_core.spi import Accepted, SignedRecord
from clawmatrix_mesh.members.digests import Summary, make_digest, missing_in
from clawmatrix_mesh.members.intake import Intake
from clawmatrix_mesh.members.own_record import OwnRecord
from clawmatrix_mesh.members.pace import Pace
from clawmatrix_mesh.members.spreading import Spreading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_core import Link, Node, NodeId, NodeRecord

__all__ = ["FORGET_AFTER", "Membership"]

FORGET_AFTER = 7 * 24 * 3600.0
"""Seconds after which an unreachable member is forgotten."""
_DIGESTS_BURST, _DIGESTS_REFILL = 8, 1.0
"""Digests of a neighbour that are answered at once, and in a second after that."""
_RACE = 5.0
"""Seconds for which records may race on several ways, so that an older one comes last."""
_DIGESTS_IN_VAIN = 3
"""Digests to a neighbour that change nothing at either end: one of them refuses a record, where
two keys have one name. The next one waits until something changes."""


class _Mismatch(msgspec.Struct):
    """What a neighbour's records differ by.

    Attributes:
        summaries: the own summary and the neighbour's.
        beats: heartbeats that told them since the last digest.
        digests: those that were sent while both stayed as they are.
    """

    summaries: tuple[str, object]
    beats: int
    digests: int = 0


class Membership:
    """Takes records from neighbours, and compares what both ends know.

    Attributes:
        own: writes this node's record.
        spreading: sends records to the neighbours.
    """

    def __init__(
        self,
        node: Node,
        *,
        version: str,
        protocol: tuple[int, int],
        addresses: Callable[[], Iterable[str]],
        key_refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._key_refused = key_refused
        self._node = node
        self._summary = Summary(node.directory.all, node.clock.now)
        self.spreading = Spreading(node, self._summary)
        self.own = OwnRecord(
            node,
            self._summary,
            self.spreading,
            version=version,
            protocol=protocol,
            addresses=addresses,
        )
        self._mismatches: dict[NodeId, _Mismatch] = {}
        self._intake = Intake(node.clock.now, self._receive, node.switch.report)
        self._digests = Pace(_DIGESTS_BURST, _DIGESTS_REFILL, node.clock.now)

    async def run_intake(self) -> None:
        """Take in what neighbours brought too much of at once."""
        await self._intake.run()

    # --- digests

    def send_digest(self, link: Link) -> None:
        """Tell a neighbour which records are known here; it answers with newer ones."""
        digest = make_digest(self._node.directory.all())
        self._node.switch.send_to_neighbour(link, "digest", "", digest)

    def on_digest(self, link: Link, payload: Any) -> None:
        """Send a neighbour what its digest lacks. Raises: RemoteProtocolError."""
        self._digests.tick()
        if not self._digests.admit(link.peer):
            raise RemoteProtocolError("digests too often", reason="digest_rate")
        self.spreading.send(link, missing_in(payload, self._node.directory.all()))

    def summary(self) -> str:
        """Return a short word for all records known; equal where two nodes know the same."""
        return str(self._summary)

    def compare(self, link: Link, summary: object) -> None:
        """Compare a neighbour's summary; differing twice in a row calls for a digest."""
        if summary == self.summary():
            self._mismatches.pop(link.peer, None)
            return
        seen = self._mismatches.get(link.peer)
        if seen is None:  # those of neighbours that have gone are of no use
            for peer in self._mismatches.keys() - self._node.links.keys():
                del self._mismatches[peer]
        both = (self.summary(), summary)
        if seen is None or seen.summaries != both:
            seen = self._mismatches[link.peer] = _Mismatch(both, 0 if seen is None else seen.beats)
        seen.beats += 1
        if seen.beats >= 2 and seen.digests < _DIGESTS_IN_VAIN:
            seen.beats, seen.digests = 0, seen.digests + 1
            self.send_digest(link)

    # --- records

    def on_records(self, link: Link, payload: Any) -> None:
        """Take a neighbour's records, and pass on those that are new."""
        if not isinstance(payload, list):
            raise RemoteProtocolError("records that are no list", reason="bad_record")
        self._intake.put(link, payload)

    def pass_on_proven(self, signed: SignedRecord) -> None:
        """Pass on a record that a handshake brought and proved."""
        self.spreading.spread(signed.read().node_id, signed)

    def _receive(self, value: Any, link: Link) -> None:
        try:
            self._take(SignedRecord.from_wire(value), link)
        except RemoteProtocolError as error:
            self._node.switch.report(link.peer, error.reason, str(error))
        except StateError as error:
            # No node is at fault. The record is taken when it comes again.
            self._node.logger("mesh").warning("a record from %s waits: %s", link.peer, error)

    def _take(self, signed: SignedRecord, link: Link) -> None:
        outcome = self._node.accept_record(signed)
        if outcome is Accepted.STALE:
            return
        record = signed.read()
        match outcome:
            case Accepted.NEWER:
                self.spreading.pass_on(record.node_id, signed, link)
            case Accepted.OLDER:
                self._note_old(record, link)
            case Accepted.OWN:
                self.own.outdo(record)
            case Accepted.CONFLICT:
                name = record.node_id
                if name == self._node.id:
                    self._key_refused(str(link.peer))
                else:
                    self._node.switch.report(name, "pin_conflict", f"{name} under another key")

    def _note_old(self, record: NodeRecord, link: Link) -> None:
        """Count a record that was replayed, unless it may just have lost a race."""
        known = self._node.directory.get(record.node_id)
        if known is None:
            return
        late = self._node.clock.now() - known.received > _RACE
        if late or record.epoch < known.record.epoch:
            self._node.counters["old_record"] += 1
            self._node.switch.note(record.node_id, "old_record", "an old record", link)

    def forget_old(self) -> None:
        """Forget members that have been out of reach for a week; call it now and then."""
        node = self._node
        now = node.clock.now()
        for peer in tuple(node.directory.others()):
            seen = max(peer.received, node.heard.get(peer.node_id, 0.0))
            if now - seen > FORGET_AFTER and not node.reachable(peer.node_id):
                node.directory.forget(peer.node_id)
                self._summary.outdate()
