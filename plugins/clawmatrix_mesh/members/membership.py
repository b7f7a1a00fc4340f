"""Who is in the mesh: this node's own record, and how records spread.

Records spread by digest when a link opens, and by deltas after that. Each heartbeat carries
a summary of all records known; where two ends differ for two heartbeats in a row, they
exchange digests again, so that a lost delta is made good.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from clawmatrix_core.base.errors import RemoteProtocolError, StateError
from clawmatrix_core.members.directory import Accepted, NodeRecord, SignedRecord
from clawmatrix_core.state.folder import raise_epoch
from clawmatrix_mesh.members.intake import Intake
from clawmatrix_mesh.members.pace import Pace
from clawmatrix_mesh.members.revoking import REVOCATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.wire.link import Link

__all__ = ["FORGET_AFTER", "Membership", "rtt_matters"]

FORGET_AFTER = 7 * 24 * 3600.0
"""Seconds after which an unreachable member is forgotten."""
_GATHER = 0.05
"""Seconds in which changes are gathered into one record."""
_WRITE_GAP = 0.2
"""Seconds between two records at least."""
_BURST, _REFILL = 10, 2.0
"""Records written in a row, and seconds until there may be one more."""
_RTT_INTERVAL = 10.0
_SPREAD_GAP = 0.05
"""Seconds between two rounds of passing records on, so that a storm of them is few frames."""
_BATCH = 256 * 1024
_OTHERS_BURST, _OTHERS_REFILL = 30, 1.0
"""Records of another node that are passed on at once, and in a second after that: more than an
honest one writes. Of those that come faster, the latest goes in its time."""
_DIGESTS_BURST, _DIGESTS_REFILL = 8, 1.0
"""Digests of a neighbour that are answered at once, and in a second after that."""
_EPOCH_MOST = 2**48
"""An epoch that no honest node reaches, and that none is made to jump to: there would be no
higher one in the end."""
_RACE = 5.0
"""Seconds for which records may race on several ways, so that an older one comes last."""
_HELD_LOOK = 0.5
"""Seconds between looks at what is held back."""


def rtt_matters(told: float | None, now: float) -> bool:
    """Say whether a round trip has changed enough to be told: by 25 % and 5 ms."""
    return told is None or (abs(now - told) > 5.0 and abs(now - told) > 0.25 * told)


class Membership:
    """Writes this node's record, and carries all records over the links.

    Attributes:
        own_addresses: gives the addresses that stand in this node's record.
    """

    def __init__(
        self,
        node: Node,
        *,
        version: str,
        protocol: tuple[int, int],
        addresses: Callable[[], Iterable[str]],
    ) -> None:
        self.own_addresses = addresses
        self._node = node
        self._version = version
        self._protocol = protocol
        self._seq = 0
        self._changed = anyio.Event()
        self._told: dict[NodeId, float] = {}
        self._tokens = float(_BURST)
        self._last = node.clock.now()
        self._mismatches: dict[NodeId, int] = {}
        self._summary: str | None = None
        self._outdone_at: float | None = None
        self._news: dict[NodeId, tuple[SignedRecord, Link | None]] = {}
        self._news_waiting = anyio.Event()
        now = node.clock.now
        self._intake = Intake(now, self._receive, node.switch.refuse)
        self._passing = Pace(_OTHERS_BURST, _OTHERS_REFILL, now)
        self._digests = Pace(_DIGESTS_BURST, _DIGESTS_REFILL, now)
        self._held: dict[NodeId, tuple[SignedRecord, Link | None]] = {}

    # --- the own record

    def write(self) -> SignedRecord:
        """Write this node's record as things are now, and take it into the directory."""
        node = self._node
        self._seq += 1
        self._told = {
            peer: round(link.rtt, 2) for peer, link in node.links.items() if link.rtt is not None
        }
        record = NodeRecord(
            node_id=node.id,
            sign_key=base64.b64encode(node.identity.sign_public).decode(),
            channel_key=base64.b64encode(node.identity.channel_public).decode(),
            epoch=node.epoch,
            seq=self._seq,
            instance=node.instance,
            protocol=self._protocol,
            version=self._version,
            features=(REVOCATIONS,),
            addresses=tuple(self.own_addresses()),
            links=dict(sorted(self._told.items())),
            tags=node.config.tags,
            offers=node.offers(),
            transit=node.relays,
            succession=node.succession,
        )
        signed = SignedRecord.make(record, node.identity)
        self._summary = None
        node.put_own_record(record, signed)
        return signed

    def own_record(self) -> SignedRecord:
        """Return this node's record as last written."""
        own = self._node.directory.get(self._node.id)
        return self.write() if own is None else own.signed

    def touch(self) -> None:
        """Say that the record is to be written again, soon."""
        self._changed.set()

    def note_rtt(self, link: Link) -> None:
        """Note a round trip; one that has changed much is told, in its time."""
        if link.rtt is None:
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
            self.spread(self._node.id, self.write())
            await anyio.sleep(_WRITE_GAP)

    def _wait_for_turn(self) -> float:
        now = self._node.clock.now()
        self._tokens = min(_BURST, self._tokens + (now - self._last) / _REFILL)
        self._last = now
        if self._tokens < 1:
            return (1 - self._tokens) * _REFILL
        self._tokens -= 1
        return 0.0

    # --- all records

    def spread(self, node_id: NodeId, signed: SignedRecord, *, but: Link | None = None) -> None:
        """Have a new record sent to every neighbour but the one it came from."""
        self._summary = None
        self._news[node_id] = (signed, but)
        self._news_waiting.set()

    async def run_intake(self) -> None:
        """Take in what neighbours brought too much of at once."""
        await self._intake.run()

    async def run_spread(self) -> None:
        """Send what is new at once, and what comes in quick succession together."""
        while True:
            with anyio.move_on_after(_HELD_LOOK if self._held else None):
                await self._news_waiting.wait()
            self._news_waiting = anyio.Event()
            self._release()
            news, self._news = self._news, {}
            for link in tuple(self._node.links.values()):
                for batch in _batches(signed for signed, but in news.values() if link is not but):
                    self._send(link, "records", batch)
            await anyio.sleep(_SPREAD_GAP)

    def send_digest(self, link: Link) -> None:
        """Tell a neighbour which records are known here; it answers with what is newer."""
        entries = [[peer.node_id, *peer.record.age] for peer in self._node.directory.all()]
        self._send(link, "digest", entries)

    def on_digest(self, link: Link, payload: Any) -> None:
        """Send a neighbour what its digest lacks. Raises: RemoteProtocolError."""
        if not self._digests.admit(link.peer):
            raise RemoteProtocolError("digests too often", reason="digest_rate")
        theirs = _read_digest(payload)
        news = [
            peer.signed
            for peer in self._node.directory.all()
            if theirs.get(peer.node_id, (-1, -1)) < peer.record.age
        ]
        for batch in _batches(news):
            self._send(link, "records", batch)

    def on_records(self, link: Link, payload: Any) -> None:
        """Take a neighbour's records, and pass on those that are new."""
        if not isinstance(payload, list):
            raise RemoteProtocolError("records that are no list", reason="bad_record")
        self._intake.put(link, payload)

    def _receive(self, value: Any, link: Link) -> None:
        try:
            self._take(SignedRecord.from_wire(value), link)
        except RemoteProtocolError as error:
            self._node.switch.refuse(link.peer, error.reason, str(error))
        except StateError as error:
            # Nobody's fault who is in the mesh. It is taken when it comes again.
            self._node.logger("mesh").warning("a record from %s waits: %s", link.peer, error)

    def _take(self, signed: SignedRecord, link: Link) -> None:
        outcome = self._node.accept_record(signed)
        if outcome is Accepted.STALE:
            return
        record = signed.read()
        match outcome:
            case Accepted.NEWER:
                self._pass_on(record.node_id, signed, link)
            case Accepted.OLDER:
                self._note_old(record, link)
            case Accepted.OWN:
                self._outdo(record)
            case Accepted.CONFLICT:
                name = record.node_id
                self._node.switch.refuse(name, "pin_conflict", f"{name} under another key")

    def _note_old(self, record: NodeRecord, link: Link) -> None:
        """Count a record that was replayed, as far as it did not only lose a race."""
        known = self._node.directory.get(record.node_id)
        if known is None:
            return
        late = self._node.clock.now() - known.received > _RACE
        if late or record.epoch < known.record.epoch:
            self._node.counters["old_record"] += 1
            self._node.switch.note(record.node_id, "old_record", "an old record", link)

    def _pass_on(self, name: NodeId, signed: SignedRecord, link: Link) -> None:
        """Spread another node's record, now or in its time."""
        self._summary = None
        self._held.pop(name, None)
        if self._passing.admit(name):
            self.spread(name, signed, but=link)
            return
        self._held[name] = (signed, link)
        self._news_waiting.set()
        why = "its record changes too often to pass each on"
        self._node.switch.refuse(name, "record_rate", why, link=link)

    def _release(self) -> None:
        self._passing.tick()
        self._digests.tick()
        for name in tuple(self._held):
            if self._passing.admit(name):
                self._news.setdefault(name, self._held.pop(name))

    def pass_on_proven(self, signed: SignedRecord) -> None:
        """Pass on a record that a handshake brought and proved."""
        self.spread(signed.read().node_id, signed)

    def _outdo(self, record: NodeRecord) -> None:
        # A record of an earlier life, from a state folder that was rolled back, is outdone
        # once. If it comes again, another running node has this node's key.
        if record.epoch < self._node.epoch:
            return  # outdone already; the record that says so is about to be written
        if record.epoch >= _EPOCH_MOST:
            self._node.switch.refuse(
                self._node.id,
                "twin",
                "somebody has this node's key, and counts its starts to the end",
            )
            return
        now = self._node.clock.now()
        if self._outdone_at is not None and now - self._outdone_at < 60.0:
            self._node.switch.refuse(
                self._node.id, "twin", "another running node uses this node's key"
            )
            return
        self._node.epoch = raise_epoch(self._node.state, record.epoch)
        self._outdone_at = now
        self.touch()

    def summary(self) -> str:
        """Return a short word for all records known; equal where two nodes know the same."""
        if self._summary is None:
            ages = [(peer.node_id, *peer.record.age) for peer in self._node.directory.all()]
            self._summary = hashlib.sha256(msgspec.json.encode(ages)).hexdigest()[:16]
        return self._summary

    def compare(self, link: Link, summary: object) -> None:
        """Compare a neighbour's summary; differing twice in a row calls for a digest."""
        if summary == self.summary():
            self._mismatches.pop(link.peer, None)
            return
        count = self._mismatches.get(link.peer, 0) + 1
        self._mismatches[link.peer] = count % 2
        if count >= 2:
            self.send_digest(link)

    def forget_old(self) -> None:
        """Forget members that have been out of reach for a week; call now and then."""
        node = self._node
        now = node.clock.now()
        for peer in tuple(node.directory.others()):
            seen = max(peer.received, node.heard.get(peer.node_id, 0.0))
            if now - seen > FORGET_AFTER and not node.reachable(peer.node_id):
                node.directory.forget(peer.node_id)
                self._summary = None

    def _send(self, link: Link, type_: str, payload: Any) -> None:
        self._node.switch.send_to_neighbour(link, type_, "", payload)


def _batches(records: Iterable[SignedRecord]) -> Iterable[list[dict[str, str]]]:
    batch: list[dict[str, str]] = []
    size = 0
    for signed in records:
        if batch and size + len(signed.text) > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(signed.to_wire())
        size += len(signed.text) + 200
    if batch:
        yield batch


def _read_digest(payload: Any) -> dict[str, tuple[int, int]]:
    try:
        return {
            name: (epoch, seq)
            for name, epoch, seq in payload
            if isinstance(name, str) and isinstance(epoch, int) and isinstance(seq, int)
        }
    except (TypeError, ValueError):
        raise RemoteProtocolError("a digest that is none", reason="bad_digest") from None
