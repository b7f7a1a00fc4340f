"""The newest revocation of each key: how many are kept, and whose give way to whose."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.base.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_core.members.revocation import Revocation, SignedRevocation

__all__ = ["BURST", "KEPT", "MOST", "MOST_BY_ONE", "REFILL", "Rank", "RevocationTable"]

MOST = Bound(
    1024,
    "revocations that a node keeps",
    fed_by="a member",
    when_full="one by an author that counts less gives way, or the new one is refused",
)
KEPT = 256
"""Of those places, how many are kept for revokers."""
MOST_BY_ONE = Bound(
    256,
    "revocations by one author",
    fed_by="a member",
    when_full="the new one is refused and counted",
)
BURST, REFILL = 4, 15.0
"""Times that another word on one key is taken in a row, and seconds until there may be one more."""

_LOOK = 1.0
"""Seconds between two looks at whose revocations give way."""


class Rank(NamedTuple):
    """How much an author's word counts, where not all can be kept; the higher rank stays.

    Attributes:
        revoker: whether a person named the author as one whose word counts.
        in_good_standing: whether the author's key is not revoked itself.
        proven: whether a handshake showed the author's key here.
        seniority: higher for an author who was heard of earlier.
    """

    revoker: bool
    in_good_standing: bool
    proven: bool
    seniority: float


class RevocationTable:
    """Revocations by key. ``rank`` says how much an author counts at this node."""

    def __init__(self, rank: Callable[[Revocation], Rank], now: Callable[[], float]) -> None:
        self._rank = rank
        self._now = now
        self._by_key: dict[bytes, SignedRevocation] = {}
        self._authors: Counter[bytes] = Counter()
        self._words: dict[bytes, tuple[float, float]] = {}  # what is left of a burst, as of when
        self._least: list[tuple[Rank, SignedRevocation]] = []  # who counts least is the last
        self._looked = float("-inf")

    def __len__(self) -> int:
        return len(self._by_key)

    def __repr__(self) -> str:
        return f"<RevocationTable {len(self)} of {len(self._authors)} authors>"

    def get(self, key: bytes) -> SignedRevocation | None:
        """Return what was said of a key, None for nothing."""
        return self._by_key.get(key)

    def all(self) -> Iterable[SignedRevocation]:
        """Return what is kept, in the order it came."""
        return self._by_key.values()

    def put(self, signed: SignedRevocation) -> None:
        """Keep one, in the place of an earlier one about the same key."""
        said = signed.read()
        self._count_off(said.key)
        self._by_key[said.key] = signed
        self._authors[said.by_key] += 1

    def make_room(self, said: Revocation) -> None:
        """Make room for another's revocation. Raises: RemoteProtocolError, where there is none."""
        rank = self._rank(said)
        if said.key in self._by_key:
            if not rank.revoker and not self._has_turn(said.key):
                raise _one_too_many(said, "comes too soon after others on this key")
        elif self._authors[said.by_key] >= MOST_BY_ONE:
            raise _one_too_many(said, "is one too many by its author")
        elif len(self) >= (MOST if rank.revoker else MOST - KEPT) and not self._give_way(rank):
            raise _one_too_many(said, "is one too many")

    def _give_way(self, rank: Rank) -> bool:
        """Drop the latest one by the author who counts least, where that is less than a rank."""
        self._look()
        while self._least and self._least[-1][0] < rank:
            signed = self._least.pop()[1]
            key = signed.read().key
            if self._by_key.get(key) is signed:
                self._count_off(key)
                del self._by_key[key]
                self._words.pop(key, None)
                return True
        return False

    def _look(self) -> None:
        """Find out again who counts least; once in a while, since each one too many asks."""
        if abs(self._now() - self._looked) < _LOOK:
            return
        self._looked = self._now()
        ranks: dict[bytes, Rank] = {}
        for signed in self._by_key.values():
            said = signed.read()
            if said.by_key not in ranks:
                ranks[said.by_key] = self._rank(said)
        found = [(ranks[signed.read().by_key], signed) for signed in self._by_key.values()]
        self._least = sorted(found, key=lambda one: (one[0], -one[1].read().at), reverse=True)

    def _count_off(self, key: bytes) -> None:
        signed = self._by_key.get(key)
        if signed is not None:
            author = signed.read().by_key
            self._authors[author] -= 1
            if not self._authors[author]:
                del self._authors[author]

    def _has_turn(self, key: bytes) -> bool:
        now = self._now()
        left, at = self._words.get(key, (float(BURST), now))
        left = min(BURST, left + max(0.0, now - at) / REFILL)
        self._words[key] = (max(0.0, left - 1) if left >= 1 else left, now)
        return left >= 1


def _one_too_many(said: Revocation, why: str) -> RemoteProtocolError:
    text = f"{said.by}'s revocation of {said.node_id} {why}"
    return RemoteProtocolError(text, reason="too_many_revocations")
