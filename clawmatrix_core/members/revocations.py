"""The revocations that a node knows: taken in, kept, and asked whether a key is out.

Whether a revocation is in force is this node's own decision. It is where its author is this node,
a revoker (see ``revokers``) or the revoked key itself, or where a person accepted it. All others
are kept and passed on, and wait for a person.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core.base.errors import LocalProtocolError, RemoteProtocolError, StateError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.decisions import Decisions, StoredRevocations
from clawmatrix_core.members.revocation import REASON_LIMIT, Revocation, SignedRevocation
from clawmatrix_core.members.revocation_table import Rank, RevocationTable
from clawmatrix_core.members.revokers import Revokers, key_word
from clawmatrix_core.members.trust import PinOutcome
from clawmatrix_core.state.files import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.members.record import NodeRecord
    from clawmatrix_core.members.trust import TrustStore
    from clawmatrix_core.state.folder import State

__all__ = ["AHEAD", "KnownRevocation", "Revocations", "Verdict"]

AHEAD = 24 * 3600
"""Seconds by which the clock of an author may be ahead of this node's."""

_FILE = "revocations"


class Verdict(StrEnum):
    """What a revocation is at this node."""

    IN_FORCE = "in force"
    WAITS = "waits"
    """Its author's word does not count here, and no person has decided yet."""
    REJECTED = "rejected"
    OVERTAKEN = "overtaken"
    """A later one is in force, or it would change nothing."""


class KnownRevocation(msgspec.Struct, frozen=True):
    """A revocation that is kept, the word that names it, and what it is at this node."""

    said: Revocation
    id: str
    verdict: Verdict

    @property
    def in_force(self) -> bool:
        """Whether it decides about its key at this node."""
        return self.verdict is Verdict.IN_FORCE

    @property
    def holds(self) -> bool:
        """Whether the key is out by it, as far as this node is concerned."""
        return self.said.revoked and self.in_force

    @property
    def ignored(self) -> bool:
        """Whether a person undid it at this node."""
        return self.verdict is Verdict.REJECTED


class Revocations:
    """The newest revocation of each key by each author.

    What is taken in is on disk after ``flush``; what a person does here, at once.

    Raises: StateError, where what is stored cannot be used.
    """

    def __init__(
        self,
        own: NodeId,
        identity: Identity,
        state: State,
        trust: TrustStore,
        *,
        wall: Callable[[], float],
    ) -> None:
        self._own = own
        self._identity = identity
        self._state = state
        self._trust = trust
        self._wall = wall
        self._revokers = Revokers(trust)
        self._table = RevocationTable(self._rank, wall)
        self._decisions = Decisions()
        self._deciding: dict[bytes, SignedRevocation] = {}
        self._unsettled: set[bytes] = set()
        self._summary: str | None = None
        self._changed = False
        self._load()
        trust.when_succeeded(self._follow)

    def __repr__(self) -> str:
        return f"<Revocations of {self._own}: {len(self._table)}>"

    def get(self, key: bytes) -> Revocation | None:
        """Return by which revocation a key is out, None where it is not."""
        signed = self._deciding.get(key)
        said = None if signed is None else signed.read()
        return said if said is not None and said.revoked else None

    def all(self) -> list[KnownRevocation]:
        """Return what is kept, by name and then the newest first."""
        known = {signed.id: signed for signed in self._all()}
        found = [KnownRevocation(s.read(), s.id, self._verdict(s)) for s in known.values()]
        return sorted(found, key=lambda one: (one.said.node_id, -one.said.at))

    def waiting(self) -> list[KnownRevocation]:
        """Return those that wait for a person, in the same order."""
        return [known for known in self.all() if known.verdict is Verdict.WAITS]

    def is_in_force(self, signed: SignedRevocation) -> bool:
        """Say whether it decides about its key at this node."""
        deciding = self._deciding.get(signed.read().key)
        return deciding is not None and deciding.id == signed.id

    def is_by_itself(self, key: bytes) -> bool:
        """Say whether a key is out by its own word."""
        said = self.get(key)
        return said is not None and said.is_own

    def settle(self) -> list[bytes]:
        """Return the keys that came to be out or in since the last call."""
        found, self._unsettled = sorted(self._unsettled), set()
        return found

    # --- whose word counts

    @property
    def revokers(self) -> dict[str, bytes]:
        """The names whose revocations are in force at once, with their present keys."""
        return self._revokers.keys()

    @property
    def revoker_words(self) -> tuple[str, ...]:
        """Short words for their keys, for this node's record."""
        return self._revokers.words()

    def is_obeyed_by(self, record: NodeRecord, own_past: Iterable[bytes] = ()) -> bool:
        """Say whether this node's revocations are in force at once at another node.

        ``record`` is the other node's: it may name an earlier key of this node (``own_past``).
        """
        keys = (self._identity.sign_public, *own_past)
        return not {key_word(key) for key in keys}.isdisjoint(record.revokers)

    def name_revokers(self, keys: Mapping[str, bytes]) -> None:
        """Let the revocations by these be in force at once, and those by others wait.

        ``keys`` are Ed25519 public keys by name. Call ``settle`` afterwards.
        """
        self._revokers.named = dict(keys)
        self._judge_all()

    def _follow(self, name: NodeId) -> None:
        if name in self._revokers.named:
            self._judge_all()

    def _counts(self, signed: SignedRevocation) -> bool:
        if signed.id in self._decisions.rejected:
            return False
        return signed.read().is_own or self._is_kept(signed)

    def _is_kept(self, signed: SignedRevocation) -> bool:
        """Say whether a person had a part in it: by naming the author, or by deciding about it."""
        said = signed.read()
        return (
            said.by_key == self._identity.sign_public
            or signed.id in self._decisions.rejected
            or self._decisions.is_accepted(signed)
            or self._revokers.counts(said.by, said.by_key)
        )

    def _judge(self, key: bytes) -> None:
        """Find out which word on a key decides; a key's own word goes before all others."""
        before = self.get(key) is not None
        words = (*self._table.on(key), *self._decisions.on(key))
        counted = [signed for signed in words if self._counts(signed)]
        deciding = max(counted, key=lambda one: (one.read().is_own, one.order), default=None)
        if deciding is None:
            self._deciding.pop(key, None)
        else:
            self._deciding[key] = deciding
        if before != (self.get(key) is not None):
            self._unsettled ^= {key}

    def _judge_all(self) -> None:
        self._table.recount()
        for key in {signed.read().key for signed in self._all()}:
            self._judge(key)

    def _all(self) -> Iterable[SignedRevocation]:
        return (*self._table.all(), *self._decisions.accepted)

    def _verdict(self, signed: SignedRevocation) -> Verdict:
        said, deciding = signed.read(), self._deciding.get(signed.read().key)
        if self.is_in_force(signed):
            return Verdict.IN_FORCE
        if signed.id in self._decisions.rejected:
            return Verdict.REJECTED
        later = deciding is None or (not deciding.read().is_own and signed.order > deciding.order)
        changes = said.revoked != (self.get(said.key) is not None)
        waits = later and changes and self.get(said.by_key) is None and not self._counts(signed)
        return Verdict.WAITS if waits else Verdict.OVERTAKEN

    # --- from others

    def accept(self, signed: SignedRevocation) -> bool:
        """Take one in; False where it is not news. Call ``settle`` and ``flush`` afterwards.

        Raises: RemoteProtocolError, for one that is malformed, forged, by somebody who may
            not, or one too many; StateError, from the trust store.
        """
        said = signed.read()
        known = self._table.get(said.key, said.by_key)
        if known is not None and signed.order <= known.order:
            return False
        if not signed.is_signed():
            raise _refusal(said, "is forged", "forged_revocation")
        self._check_author(said)
        if said.at > (self._wall() + AHEAD) * 1000:
            raise _refusal(said, "is from the future", "bad_revocation")
        gone = self._table.make_room(signed)
        self._put(signed)
        if gone is not None:
            self._judge(gone.read().key)
        self._changed = True
        return True

    def _check_author(self, said: Revocation) -> None:
        if said.is_own and not said.revoked:
            raise _refusal(said, "takes back its own", "unauthorized_revocation")
        if not said.is_own and self.get(said.by_key) is not None:
            raise _refusal(said, "is by a node that is revoked itself", "unauthorized_revocation")
        if not self._is_authors_key(NodeId(said.by), said.by_key):
            raise _refusal(said, "is by another key than its author's", "unauthorized_revocation")

    def _is_authors_key(self, name: NodeId, key: bytes) -> bool:
        if name == self._own:
            return key == self._identity.sign_public
        if self._trust.is_retired(key):
            return False
        if self._revokers.counts(name, key):
            return True
        verdict = self._trust.check(name, key, proven=False, now=self._wall())
        return verdict is not PinOutcome.CONFLICT

    def _rank(self, signed: SignedRevocation) -> Rank:
        said = signed.read()
        in_good_standing = said.is_own or self.get(said.by_key) is None
        proven, since = self._trust.acquaintance(NodeId(said.by), said.by_key)
        return Rank(self._is_kept(signed), in_good_standing, proven, -since)

    # --- by a person at this node

    def make(
        self, node_id: str, key: bytes, *, revoked: bool = True, reason: str = ""
    ) -> SignedRevocation:
        """Write this node's own word on a key, and keep it.

        Raises: LocalProtocolError, where the reason is too long; StateError.
        """
        if len(reason) > REASON_LIMIT:
            raise LocalProtocolError(f"a reason has at most {REASON_LIMIT} characters")
        at = int(self._wall() * 1000)
        deciding = self._deciding.get(key)
        if deciding is not None:
            at = max(at, deciding.read().at + 1)
        known = self._table.get(key, self._identity.sign_public)
        if known is not None:
            at = max(at, known.read().at + 1)
        said = Revocation(node_id, key, self._own, self._identity.sign_public, at, revoked, reason)
        signed = SignedRevocation.make(said, self._identity)
        self._put(signed)
        self._write()
        return signed

    def ignore(self, key: bytes) -> None:
        """Let a key be a member's at this node, whatever was said so far. Raises: StateError."""
        for signed in (*self._table.on(key), *self._decisions.on(key)):
            self._decisions.reject(signed)
        self._decided(key)

    def decide(self, word: str, *, take: bool) -> None:
        """Put one in force at this node by a person's decision, or have it never be in force.

        ``word`` is its ``id``. Call ``settle`` afterwards. Raises: LookupError, where none is
        kept by that; StateError.
        """
        signed = next((one for one in self._all() if one.id == word), None)
        if signed is None:
            raise LookupError(f"no revocation {word} is known here")
        if take:
            self._decisions.accept(signed)
        else:
            self._decisions.reject(signed)
        self._decided(signed.read().key)

    def _decided(self, key: bytes) -> None:
        self._table.recount()
        self._judge(key)
        self._write()

    # --- comparing with neighbours

    def ids(self) -> list[str]:
        """Return a word for each that is kept."""
        return [signed.id for signed in self._table.all()]

    def missing(self, theirs: Iterable[object]) -> list[SignedRevocation]:
        """Return those that somebody with these does not have."""
        known = {word for word in theirs if isinstance(word, str)}
        return [signed for signed in self._table.all() if signed.id not in known]

    def summary(self) -> str | None:
        """Return a short word for all, equal where two nodes keep the same; None for none."""
        if self._summary is None and self._table:
            words = "".join(sorted(self.ids()))
            self._summary = hashlib.sha256(words.encode()).hexdigest()[:16]
        return self._summary

    # --- keeping

    def flush(self) -> None:
        """Write what is not written yet. Raises: StateError."""
        if self._changed:
            self._write()

    def _put(self, signed: SignedRevocation) -> None:
        self._table.put(signed)
        self._summary = None
        self._judge(signed.read().key)

    def _write(self) -> None:
        said = list(self._deciding.values())
        in_force = {signed.id for signed in said}
        others = [signed for signed in self._table.all() if signed.id not in in_force]
        accepted, rejected = list(self._decisions.accepted), list(self._decisions.rejected)
        self._state.write(_FILE, StoredRevocations(said, {}, others, accepted, rejected))
        self._changed = False

    def _load(self) -> None:
        raw = self._state.read(_FILE)
        try:
            stored = StoredRevocations() if raw is None else msgspec.convert(raw, StoredRevocations)
            self._decisions.load(stored, self._own)
            self._changed = stored.others is None and bool(stored.said)
            for signed in (*stored.said, *(stored.others or ())):
                self._put_newer(self._renewed(signed))
        except (msgspec.ValidationError, RemoteProtocolError, ValueError) as error:
            raise StateError(
                f"{self._state.locate(_FILE)} is damaged: {error}; {DAMAGED}"
            ) from None
        self._judge_all()
        self._unsettled.clear()

    def _put_newer(self, signed: SignedRevocation) -> None:
        said = signed.read()
        known = self._table.get(said.key, said.by_key)
        if known is None or signed.order > known.order:
            self._table.put(signed)

    def _renewed(self, signed: SignedRevocation) -> SignedRevocation:
        """Sign the own word again, where it was signed with a key this node no longer has."""
        said, own_key = signed.read(), self._identity.sign_public
        if said.by != self._own or said.by_key == own_key:
            return signed
        self._changed = True
        renewed = Revocation(
            said.node_id, said.key, said.by, own_key, said.at + 1, said.revoked, said.reason
        )
        return SignedRevocation.make(renewed, self._identity)


def _refusal(said: Revocation, why: str, reason: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"{said.by}'s revocation of {said.node_id} {why}", reason=reason)
