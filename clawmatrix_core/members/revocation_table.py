"""The newest revocation of each key by each author: how many are kept, and whose give way."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.base.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from clawmatrix_core.members.revocation import Revocation, SignedRevocation

__all__ = [
    "BURST",
    "MOST",
    "MOST_BY_ONE",
    "REFILL",
    "WAITING_BY_ONE",
    "WAITING_MOST",
    "Rank",
    "RevocationTable",
]

MOST = Bound(
    1024,
    "revocations that a node keeps",
    fed_by="a member",
    when_full="one by an author that counts less gives way, or the new one is refused",
)
WAITING_MOST = Bound(
    256,
    "of these, revocations by others than revokers, whether they wait or are of the author's"
    " own key",
    fed_by="a member",
    when_full="one by an author that counts less gives way, or the new one is refused",
)
MOST_BY_ONE = Bound(
    256,
    "revocations by one revoker",
    fed_by="a member",
    when_full="the new one is refused and counted",
)
WAITING_BY_ONE = Bound(
    64,
    "revocations by one author who is no revoker",
    fed_by="a member",
    when_full="the new one is refused and counted",
)
BURST, REFILL = 4, 15.0
"""Times that another word of one author on one key is taken in a row, and seconds until there may
be one more."""

_LOOK = 1.0
"""Seconds between two looks at whose revocations give way."""

_Place: TypeAlias = "tuple[bytes, bytes]"
"""The key that a revocation is about, and its author's."""


class Rank(NamedTuple):
    """How much a revocation counts, where not all can be kept; the higher rank stays.

    Attributes:
        revoker: whether a person named the author as one whose word counts, or decided about
            this word.
        in_good_standing: whether the author's key is not revoked by others.
        proven: whether a handshake showed the author's key here.
        seniority: higher for an author who was heard of earlier.
    """

    revoker: bool
    in_good_standing: bool
    proven: bool
    seniority: float


class RevocationTable:
    """Revocations by key and author. ``rank`` says how much one counts at this node."""

    def __init__(self, rank: Callable[[SignedRevocation], Rank], now: Callable[[], float]) -> None:
        self._rank = rank
        self._now = now
        self._by_key: dict[bytes, dict[bytes, SignedRevocation]] = {}
        self._others: set[_Place] = set()  # those that have no revoker's rank
        self._authors: Counter[bytes] = Counter()
        self._words: dict[_Place, tuple[float, float]] = {}  # what is left of a burst, as of when
        self._least: list[tuple[Rank, SignedRevocation]] = []  # who counts least is the last
        self._looked = float("-inf")

    def __len__(self) -> int:
        return self._authors.total()

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def __repr__(self) -> str:
        return f"<RevocationTable {len(self)} of {len(self._authors)} authors>"

    def get(self, key: bytes, author: bytes) -> SignedRevocation | None:
        """Return what an author said of a key, None for nothing."""
        return self._by_key.get(key, {}).get(author)

    def on(self, key: bytes) -> Collection[SignedRevocation]:
        """Return what is kept of a key."""
        return self._by_key.get(key, {}).values()

    def keys(self) -> Collection[bytes]:
        """Return the keys of which something is kept."""
        return self._by_key.keys()

    def all(self) -> Iterable[SignedRevocation]:
        """Return what is kept, by the key that it is about."""
        return (signed for said in self._by_key.values() for signed in said.values())

    def put(self, signed: SignedRevocation) -> None:
        """Keep one, in the place of an earlier one by its author about the same key."""
        said = signed.read()
        if self.get(said.key, said.by_key) is None:
            self._authors[said.by_key] += 1
        self._by_key.setdefault(said.key, {})[said.by_key] = signed
        self._classify(signed)

    def recount(self) -> None:
        """Find out again which of them count: a person has decided something."""
        for signed in self.all():
            self._classify(signed)
        self._looked = float("-inf")

    def make_room(self, signed: SignedRevocation) -> SignedRevocation | None:
        """Make room for another's revocation; return the one that gave way, None for none.

        Raises: RemoteProtocolError, where there is no room.
        """
        said, rank = signed.read(), self._rank(signed)
        if self.get(said.key, said.by_key) is not None:
            if not rank.revoker and not self._has_turn((said.key, said.by_key)):
                raise _one_too_many(said, "comes too soon after others on this key")
            return None
        if self._authors[said.by_key] >= (MOST_BY_ONE if rank.revoker else WAITING_BY_ONE):
            raise _one_too_many(said, "is one too many by its author")
        full = len(self) >= MOST or (not rank.revoker and len(self._others) >= WAITING_MOST)
        gone = self._give_way(rank) if full else None
        if full and gone is None:
            raise _one_too_many(said, "is one too many")
        return gone

    def _classify(self, signed: SignedRevocation) -> None:
        said = signed.read()
        place = (said.key, said.by_key)
        (self._others.discard if self._rank(signed).revoker else self._others.add)(place)

    def _give_way(self, rank: Rank) -> SignedRevocation | None:
        """Drop the latest one by the author who counts least, where that is less than a rank."""
        self._look()
        while self._least and self._least[-1][0] < rank:
            signed = self._least.pop()[1]
            said = signed.read()
            if self.get(said.key, said.by_key) is signed:
                self._drop(said)
                return signed
        return None

    def _drop(self, said: Revocation) -> None:
        place = (said.key, said.by_key)
        on_key = self._by_key[said.key]
        del on_key[said.by_key]
        if not on_key:
            del self._by_key[said.key]
        self._others.discard(place)
        self._words.pop(place, None)
        self._authors[said.by_key] -= 1
        if not self._authors[said.by_key]:
            del self._authors[said.by_key]

    def _look(self) -> None:
        """Find out again who counts least; once in a while, since each one too many asks."""
        if abs(self._now() - self._looked) < _LOOK:
            return
        self._looked = self._now()
        found = [(self._rank(signed), signed) for signed in self.all()]
        self._least = sorted(found, key=lambda one: (one[0], -one[1].read().at), reverse=True)

    def _has_turn(self, place: _Place) -> bool:
        now = self._now()
        left, at = self._words.get(place, (float(BURST), now))
        left = min(BURST, left + max(0.0, now - at) / REFILL)
        self._words[place] = (max(0.0, left - 1) if left >= 1 else left, now)
        return left >= 1


def _one_too_many(said: Revocation, why: str) -> RemoteProtocolError:
    text = f"{said.by}'s revocation of {said.node_id} {why}"
    return RemoteProtocolError(text, reason="too_many_revocations")
