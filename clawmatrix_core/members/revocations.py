"""The revocations that a node knows: taken in, kept, and asked whether a key is out."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import attrs
import msgspec

from clawmatrix_core.base.errors import LocalProtocolError, RemoteProtocolError, StateError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.revocation import REASON_LIMIT, Revocation, SignedRevocation
from clawmatrix_core.members.revocation_table import Rank, RevocationTable
from clawmatrix_core.members.trust import PinOutcome
from clawmatrix_core.state.files import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.members.trust import TrustStore
    from clawmatrix_core.state.folder import State

__all__ = ["KnownRevocation", "Revocations"]

AHEAD = 24 * 3600
"""Seconds by which the clock of an author may be ahead of this node's."""

_FILE = "revocations"


@attrs.frozen
class KnownRevocation:
    """A revocation that is kept. ``ignored`` says that a person undid it at this node."""

    said: Revocation
    ignored: bool

    @property
    def holds(self) -> bool:
        """Whether the key is out, as far as this node is concerned."""
        return self.said.revoked and not self.ignored


@attrs.define
class _Stored:
    """What is in the state: revocations, and up to when each key's are ignored here."""

    said: list[SignedRevocation] = attrs.field(factory=list)
    ignored: dict[str, int] = attrs.field(factory=dict)


class Revocations:
    """The newest revocation of each key.

    What is taken in is on disk after ``flush``; what a person does here, at once.

    Attributes:
        revokers: the names of those whose revocations are taken; None for every member's.

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
        self.revokers: Collection[str] | None = None
        self._own = own
        self._identity = identity
        self._state = state
        self._trust = trust
        self._wall = wall
        self._table = RevocationTable(self._rank, wall)
        self._ignored: dict[bytes, int] = {}
        self._summary: str | None = None
        self._changed = False
        self._load()

    def __repr__(self) -> str:
        return f"<Revocations of {self._own}: {len(self._table)}>"

    def get(self, key: bytes) -> Revocation | None:
        """Return by which revocation a key is out, None where it is not."""
        signed = self._table.get(key)
        if signed is None:
            return None
        known = self._known(signed)
        return known.said if known.holds else None

    def all(self) -> list[KnownRevocation]:
        """Return what is kept, by name and then the newest first."""
        known = [self._known(signed) for signed in self._table.all()]
        return sorted(known, key=lambda one: (one.said.node_id, -one.said.at))

    # --- from others

    def accept(self, signed: SignedRevocation) -> bool:
        """Take one in; False where it is not news. Call ``flush`` afterwards.

        Raises: RemoteProtocolError, for one that is malformed, forged, by somebody who may
            not, or one too many; StateError, from the trust store.
        """
        said = signed.read()
        known = self._table.get(said.key)
        if known is not None and signed.order <= known.order:
            return False
        if not signed.is_signed():
            raise _refusal(said, "is forged", "forged_revocation")
        self._check_author(said)
        if said.at > (self._wall() + AHEAD) * 1000:
            raise _refusal(said, "is from the future", "bad_revocation")
        self._table.make_room(said)
        self._table.put(signed)
        self._changed, self._summary = True, None
        return True

    def _check_author(self, said: Revocation) -> None:
        if self.revokers is not None and said.by not in self.revokers:
            raise _refusal(said, "is by none of [mesh] revokers", "unauthorized_revocation")
        if self.get(said.by_key) is not None:
            raise _refusal(said, "is by a node that is revoked itself", "unauthorized_revocation")
        if not self._is_authors_key(NodeId(said.by), said.by_key):
            raise _refusal(said, "is by another key than its author's", "unauthorized_revocation")

    def _is_authors_key(self, name: NodeId, key: bytes) -> bool:
        if name == self._own:
            return key == self._identity.sign_public
        verdict = self._trust.check(name, key, proven=False, now=self._wall())
        return verdict is not PinOutcome.CONFLICT

    def _rank(self, said: Revocation) -> Rank:
        own = said.by_key == self._identity.sign_public
        named = self.revokers is not None and said.by in self.revokers
        in_good_standing = self.get(said.by_key) is None
        proven, since = self._trust.acquaintance(NodeId(said.by), said.by_key)
        return Rank(own or named, in_good_standing, proven, -since)

    # --- by a person at this node

    def make(
        self, node_id: str, key: bytes, *, revoked: bool = True, reason: str = ""
    ) -> SignedRevocation:
        """Write this node's own word on a key, and keep it.

        Raises: LocalProtocolError, where the reason is too long; StateError.
        """
        if len(reason) > REASON_LIMIT:
            raise LocalProtocolError(f"a reason has at most {REASON_LIMIT} characters")
        known = self._table.get(key)
        at = int(self._wall() * 1000)
        if known is not None:
            at = max(at, known.read().at + 1)
        said = Revocation(node_id, key, self._own, self._identity.sign_public, at, revoked, reason)
        signed = SignedRevocation.make(said, self._identity)
        self._table.put(signed)
        self._summary = None
        self._ignored.pop(key, None)
        self._write()
        return signed

    def ignore(self, key: bytes) -> None:
        """Let a key be a member's at this node, whatever was said so far. Raises: StateError."""
        known = self._table.get(key)
        if known is not None:
            self._ignored[key] = known.read().at
            self._write()

    # --- comparing with neighbours

    def ids(self) -> list[str]:
        """Return a word for each that is kept."""
        return [_id(signed) for signed in self._table.all()]

    def missing(self, theirs: Iterable[object]) -> list[SignedRevocation]:
        """Return those that somebody with these does not have."""
        known = {word for word in theirs if isinstance(word, str)}
        return [signed for signed in self._table.all() if _id(signed) not in known]

    def summary(self) -> str | None:
        """Return a short word for all, equal where two nodes keep the same; None for none."""
        if self._summary is None and len(self._table):
            words = "".join(sorted(self.ids()))
            self._summary = hashlib.sha256(words.encode()).hexdigest()[:16]
        return self._summary

    # --- keeping

    def flush(self) -> None:
        """Write what is not written yet. Raises: StateError."""
        if self._changed:
            self._write()

    def _known(self, signed: SignedRevocation) -> KnownRevocation:
        said = signed.read()
        return KnownRevocation(said, self._ignored.get(said.key, -1) >= said.at)

    def _write(self) -> None:
        ignored = {base64.b64encode(key).decode(): at for key, at in self._ignored.items()}
        self._state.write(_FILE, _Stored(list(self._table.all()), ignored))
        self._changed = False

    def _load(self) -> None:
        raw = self._state.read(_FILE)
        try:
            stored = _Stored() if raw is None else msgspec.convert(raw, _Stored)
            for signed in stored.said:
                signed.read()
                self._table.put(self._renewed(signed))
            self._ignored = {
                base64.b64decode(key, validate=True): at for key, at in stored.ignored.items()
            }
        except (msgspec.ValidationError, RemoteProtocolError, ValueError) as error:
            raise StateError(
                f"{self._state.locate(_FILE)} is damaged: {error}; {DAMAGED}"
            ) from None

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


def _id(signed: SignedRevocation) -> str:
    return hashlib.sha256(signed.signature.encode()).hexdigest()[:16]


def _refusal(said: Revocation, why: str, reason: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"{said.by}'s revocation of {said.node_id} {why}", reason=reason)
