"""A name's key as the trust store keeps it, and what the store tells of it."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs
import msgspec
from msgspec.structs import replace

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.members.identity import digits, fingerprint, key_text

if TYPE_CHECKING:
    from clawmatrix_core.base.node_id import NodeId

__all__ = [
    "CONFLICTS_MAX",
    "Conflict",
    "Known",
    "Pin",
    "PinOutcome",
    "PinState",
    "Rival",
    "TrustEntry",
    "conflict_of",
    "entry_of",
    "introduced_pin",
    "level_of",
    "with_rival",
]

CONFLICTS_MAX = Bound(
    8,
    "other keys that are remembered for one name",
    fed_by="a member",
    when_full="the one that was not proved, or else was seen longest ago, makes room",
)


Known: TypeAlias = Literal["accepted", "invited", "introduced", "linked", "hearsay"]
"""How a key is known to be a name's, the surest first.

A person ``accepted`` it; an invitation bound it to the name (``invited``); a node that
``[mesh.introducers]`` names vouches for it (``introduced``); it came first over a link of this node
(``linked``), which proves no name; or records alone speak for it (``hearsay``).
"""


class PinOutcome(Enum):
    """What ``TrustStore.check`` says of a name and a key."""

    NEW = "new"
    """Nothing spoke against the key, and it is the name's from now on."""
    KNOWN = "known"
    """It is the name's key."""
    CONFLICT = "conflict"
    """The name has another key: refuse whoever showed this one."""


class PinState(StrEnum):
    """How a key came to its name."""

    PINNED = "pinned"
    """Proved by a handshake, or accepted by a person."""
    PROVISIONAL = "provisional"
    """Heard from others; the first proof decides."""


@attrs.frozen
class Conflict:
    """Another key that was shown under a name that has one already.

    Times are seconds since 1970. ``proven`` says that a handshake showed it at least once:
    whoever did has the key and the cluster secret.
    """

    node_id: NodeId
    fingerprint: str
    sign_public: bytes
    first_seen: float
    last_seen: float
    count: int
    proven: bool


class TrustEntry(msgspec.Struct, frozen=True):
    """A name, its key, how that is known, and the fingerprints of other keys shown under it."""

    node_id: NodeId
    fingerprint: str
    sign_public: bytes
    state: PinState
    first_seen: float
    conflicts: tuple[str, ...]
    known: Known = "hearsay"

    @property
    def key_text(self) -> str:
        """The key as a configuration has it."""
        return key_text(self.sign_public)

    @property
    def digits(self) -> str:
        """The key as people read it to each other."""
        return digits(self.sign_public)


class Rival(msgspec.Struct, frozen=True):
    """A conflict as it is stored."""

    key: bytes
    first_seen: float
    last_seen: float
    count: int = 1
    proven: bool = False


class Pin(msgspec.Struct, frozen=True):
    """A name's key as it is stored.

    ``proven`` is when the key first proved itself here, over a link or in a session; older
    versions have not stored it. ``past`` are the name's earlier keys, the latest first, and
    ``taken`` those of them by which this store knew the name itself. ``vouched`` is who bound the
    key to the name, a person or an invitation; versions before have not stored these two.
    """

    key: bytes
    state: PinState
    first_seen: float
    rivals: tuple[Rival, ...] = ()
    proven: float | None = None
    past: tuple[bytes, ...] = ()
    taken: tuple[bytes, ...] = ()
    vouched: Literal["accepted", "invited"] | None = None

    @property
    def proven_since(self) -> float | None:
        """When the name first proved itself here, None where it never did."""
        if self.proven is None and self.state is PinState.PINNED:
            return self.first_seen
        return self.proven


def level_of(pin: Pin, introduced: bytes | None) -> Known:
    """Return how a pin's key is known; ``introduced`` is the key that introducers give the name.

    A key that the introduced one signed for counts as introduced, where this node saw that.
    """
    if pin.vouched is not None:
        return pin.vouched
    if introduced is not None and introduced in (pin.key, *pin.taken):
        return "introduced"
    return "linked" if pin.state is PinState.PINNED else "hearsay"


def with_rival(pin: Pin, key: bytes, *, proven: bool, now: float) -> Pin:
    """Return the pin with one more showing of the key; the least telling rival makes room."""
    known = next((rival for rival in pin.rivals if rival.key == key), None)
    if known is None:
        rival = Rival(key, now, now, proven=proven)
    else:
        rival = replace(known, last_seen=now, count=known.count + 1, proven=known.proven or proven)
    others = [other for other in pin.rivals if other is not known]
    others.sort(key=lambda other: (other.proven, other.last_seen), reverse=True)
    return replace(pin, rivals=(rival, *others[: CONFLICTS_MAX - 1]))


def introduced_pin(pin: Pin, key: bytes, now: float) -> Pin:
    """Return a pin of hearsay with its introduced key; the key before becomes a rival."""
    old = with_rival(pin, pin.key, proven=False, now=now)
    rivals = tuple(rival for rival in old.rivals if rival.key != key)
    return Pin(key, PinState.PROVISIONAL, now, rivals)


def conflict_of(node_id: NodeId, rival: Rival) -> Conflict:
    """Return a stored conflict as others see it."""
    return Conflict(
        node_id,
        fingerprint(rival.key),
        rival.key,
        rival.first_seen,
        rival.last_seen,
        rival.count,
        rival.proven,
    )


def entry_of(node_id: NodeId, pin: Pin, known: Known) -> TrustEntry:
    """Return a stored pin as others see it."""
    return TrustEntry(
        node_id,
        fingerprint(pin.key),
        pin.key,
        pin.state,
        pin.first_seen,
        tuple(fingerprint(rival.key) for rival in pin.rivals),
        known,
    )
