"""The directory: what every member has said of itself, under its signature."""

from __future__ import annotations

from bisect import bisect_left, insort
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.base.errors import RemoteProtocolError, StateError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.changes import Changes
from clawmatrix_core.members.record import RECORD_LIMIT, NodeRecord, SignedRecord
from clawmatrix_core.members.trust import PinOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.members.trust import TrustStore

__all__ = [
    "LINKS_SHARE",
    "LINKS_TOTAL",
    "MEMBER_LIMIT",
    "PROVED_LIMIT",
    "RECORD_LIMIT",
    "Accepted",
    "Directory",
    "NodeRecord",
    "Peer",
    "SignedRecord",
]

MEMBER_LIMIT = Bound(
    4096,
    "members that are taken in on hearsay",
    fed_by="a member",
    when_full="a new one is refused, unless a member vouches for it and a silent one makes room",
)
PROVED_LIMIT = Bound(
    2 * MEMBER_LIMIT,
    "members in all, those included that proved themselves in a handshake",
    fed_by="a member",
    when_full="one that cannot be reached makes room; where there is none the newcomer is refused",
)
LINKS_TOTAL = Bound(
    128 * 1024,
    "links that the records of all members list",
    fed_by="a member",
    when_full="a record with a long list is refused; neighbours may list four times as many",
)
LINKS_SHARE = LINKS_TOTAL // MEMBER_LIMIT
"""Links that each record may list all the same."""


@attrs.frozen
class Peer:
    """A member, as its newest record has it.

    ``received`` is the clock's time at which that record came.
    """

    record: NodeRecord
    signed: SignedRecord = attrs.field(repr=False)
    received: float

    @property
    def node_id(self) -> NodeId:
        """The member's name."""
        return self.record.node_id


class Accepted(Enum):
    """What became of a record."""

    NEWER = "newer"
    STALE = "stale"
    """It is the one that is known, or of the same age."""
    OLDER = "older"
    CONFLICT = "conflict"
    OWN = "own"


def is_newer(record: NodeRecord, known: NodeRecord | None) -> bool:
    """Say whether a record replaces the one that is known."""
    return known is None or record.age > known.age


def _is_overtaken(record: NodeRecord, known: NodeRecord) -> bool:
    """Say whether a record can be left unread, signature and all: it would change nothing."""
    return record.sign_key == known.sign_key and not is_newer(record, known)


def _stale(record: NodeRecord, known: NodeRecord) -> Accepted:
    return Accepted.OLDER if record.age < known.age else Accepted.STALE


def _keys(record: NodeRecord) -> set[bytes]:
    return {record.sign_key_bytes(), *record.past_keys()}


class Directory:
    """The newest record of each member, this node's own among them."""

    def __init__(
        self,
        own: NodeId,
        identity: Identity,
        trust: TrustStore,
        *,
        now: Callable[[], float],
        wall: Callable[[], float],
        is_revoked: Callable[[bytes], bool] = lambda _: False,
        make_room: Callable[[NodeRecord], bool] = lambda _: False,
        make_place: Callable[[], bool] = lambda: False,
        free_links: Callable[[int], None] = lambda _: None,
        is_linked: Callable[[NodeId], bool] = lambda _: False,
        on_gone: Callable[[Peer], None] = lambda _: None,
    ) -> None:
        self._own = own
        self._own_key = identity.sign_public
        self._trust = trust
        self._now = now
        self._wall = wall
        self._is_revoked = is_revoked
        self._make_room = make_room
        self._make_place = make_place
        self._free_links = free_links
        self._is_linked = is_linked
        self._on_gone = on_gone
        self._peers: dict[NodeId, Peer] = {}
        # Most records come over several links; one that is known is found without reading it.
        self._by_signature: dict[str, Peer] = {}
        self._names: list[NodeId] = []  # in order, so that nobody sorts them for each record
        self._changes = Changes(2 * MEMBER_LIMIT)
        self._by_key: dict[bytes, set[NodeId]] = {}  # each name by its key and its past ones
        self._links = 0

    def __repr__(self) -> str:
        return f"<Directory of {self._own}: {len(self._peers)} members>"

    def __len__(self) -> int:
        return len(self._peers)

    def get(self, node_id: NodeId | str) -> Peer | None:
        """Return a member, None where none of that name is known."""
        return self._peers.get(NodeId(node_id))

    def record_for_session(self, node_id: NodeId) -> NodeRecord | None:
        """Return the record that a session with a member is opened with.

        None where there is none, and where the member's name has another key by now.
        """
        peer = self._peers.get(node_id)
        if peer is None:
            return None
        pinned = self._trust.keys(node_id)[:1]
        return peer.record if pinned in ((), (peer.record.sign_key_bytes(),)) else None

    def all(self) -> Iterable[Peer]:
        """Return every member, this node too, by name."""
        return [self._peers[name] for name in self._names]

    def with_key(self, key: bytes) -> list[NodeId]:
        """Return the other members that have, or had, a key, by name."""
        return sorted(self._by_key.get(key, set()) - {self._own})

    def is_own(self, name: NodeId) -> bool:
        """Say whether a name is this node's."""
        return name == self._own

    def others(self) -> Iterable[Peer]:
        """Return every member but this node, by name."""
        return [peer for peer in self.all() if peer.node_id != self._own]

    def listed(self) -> Iterable[Peer]:
        """Return the others but for those that a person hid, by name."""
        return [peer for peer in self.others() if not self._trust.is_hidden(peer.node_id)]

    @property
    def mark(self) -> int:
        """Counts the changes; ``changed_since`` takes an earlier one."""
        return self._changes.mark

    def changed_since(self, mark: int) -> Iterable[NodeId] | None:
        """Return the names of the records that came or went since then, the latest first.

        None says that too much has changed since: the reader begins anew. 0 is before the first.
        """
        return self._changes.since(mark)

    def accept(self, signed: SignedRecord, *, proven: bool = False) -> tuple[Accepted, NodeRecord]:
        """Take a record, if it is newer and its node's own.

        ``proven`` says that the other end of a handshake showed it as its own. An OWN record
        is this node's from an earlier life: the caller must outdo its epoch.
        Raises: RemoteProtocolError for a record that is malformed, forged or of a node that
            was revoked, or one too many.
        """
        again = self._by_signature.get(signed.signature)
        if again is not None and again.signed == signed:
            if proven:
                self.judge(again.record, proven=True)
            return Accepted.STALE, again.record
        record = signed.read()
        known = self._peers.get(record.node_id)
        if not proven and known is not None and _is_overtaken(record, known.record):
            return _stale(record, known.record), record
        key = record.sign_key_bytes()
        if not signed.is_signed_by(key):
            raise RemoteProtocolError(
                f"a forged record of {record.node_id}", reason="forged_record"
            )
        record.channel_key_bytes()
        if record.node_id == self._own:
            return self._meet_own(record, key)
        if any(self._is_revoked(one) for one in (key, *record.past_keys())):
            raise RemoteProtocolError(f"{record.node_id} was revoked", reason="revoked")
        self._check_room(record, known, proven=proven)
        if not proven and self._takes_name(record, known):
            return Accepted.CONFLICT, record
        if self.judge(record, proven=proven) is PinOutcome.CONFLICT:
            return Accepted.CONFLICT, record
        same_key = known is not None and known.record.sign_key == record.sign_key
        if same_key and known is not None and not is_newer(record, known.record):
            return _stale(record, known.record), record
        self._put(record, signed)
        return Accepted.NEWER, record

    def _check_room(self, record: NodeRecord, known: Peer | None, *, proven: bool) -> None:
        full = known is None and len(self) >= (PROVED_LIMIT if proven else MEMBER_LIMIT)
        if full and not (self._make_place() if proven else self._make_room(record)):
            raise RemoteProtocolError("more members than can be", reason="too_many_members")
        more = len(record.links) - (0 if known is None else len(known.record.links))
        if more <= 0 or len(record.links) <= LINKS_SHARE:
            return
        limit = LINKS_TOTAL * (4 if proven or self._is_linked(record.node_id) else 1)
        self._free_links(self._links + more - limit)
        if self._links + more > limit:
            listed = f"{record.node_id} lists {len(record.links)} links, where {self._links} are"
            raise RemoteProtocolError(f"{listed} known", reason="too_many_links")

    def _takes_name(self, record: NodeRecord, known: Peer | None) -> bool:
        """Say whether a record takes a member's name, of which the trust store keeps no key."""
        if known is None or known.record.sign_key == record.sign_key:
            return False
        no_pin = self._trust.get(record.node_id) is None
        return no_pin and known.record.sign_key_bytes() not in record.past_keys()

    def put_own(self, record: NodeRecord, signed: SignedRecord) -> None:
        """Take this node's own new record."""
        self._put(record, signed)

    def judge(self, record: NodeRecord, *, proven: bool) -> PinOutcome:
        """Hold a record's key against the pin of its name, which goes along with its word.

        The caller has seen that the record is signed. Raises: StateError, from the trust store.
        """
        name, key, now = record.node_id, record.sign_key_bytes(), self._wall()
        past, pinned = record.past_keys(), self._trust.keys(name)[:1]
        succeeds = bool(pinned) and pinned[0] in past
        if succeeds:
            self._trust.succeed(name, key, now=now)
        outcome = self._trust.check(name, key, proven=proven, now=now)
        if past:
            self._trust.learn_past(name, key, past, now=now)
        return PinOutcome.NEW if succeeds else outcome

    def admits(self, record: NodeRecord) -> bool:
        """Say whether a proved record has the key that its name is known by; pin a new name.

        The caller has seen that the record is signed. Raises: StateError, from the trust store.
        """
        return self.judge(record, proven=True) is not PinOutcome.CONFLICT

    def note_proof(self, node_id: NodeId, key: bytes) -> None:
        """Note that a session was made with the record of a member that has this key."""
        if node_id != self._own:
            with suppress(StateError):  # it is remembered, and written with the next change
                self._trust.note_proof(node_id, key, now=self._wall())

    def forget(self, node_id: NodeId) -> None:
        """Drop a member, and tell of it. Its pin stays."""
        peer = self._remove(node_id)
        if peer is not None:
            self._on_gone(peer)

    def _remove(self, node_id: NodeId) -> Peer | None:
        peer = self._peers.pop(node_id, None)
        if peer is None:
            return None
        self._by_signature.pop(peer.signed.signature, None)
        self._links -= len(peer.record.links)
        del self._names[bisect_left(self._names, node_id)]
        self._changes.note(node_id)
        for key in _keys(peer.record):
            names = self._by_key[key]
            names.discard(node_id)
            if not names:
                del self._by_key[key]
        return peer

    def _put(self, record: NodeRecord, signed: SignedRecord) -> None:
        name = record.node_id
        self._remove(name)
        self._peers[name] = self._by_signature[signed.signature] = Peer(record, signed, self._now())
        self._links += len(record.links)
        insort(self._names, name)
        self._changes.note(name)
        for key in _keys(record):
            self._by_key.setdefault(key, set()).add(name)

    def _meet_own(self, record: NodeRecord, key: bytes) -> tuple[Accepted, NodeRecord]:
        if key != self._own_key:
            return Accepted.CONFLICT, record
        known = self._peers.get(self._own)
        if known is not None and not is_newer(record, known.record):
            return _stale(record, known.record), record
        return Accepted.OWN, record
