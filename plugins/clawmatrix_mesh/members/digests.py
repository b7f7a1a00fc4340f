"""What nodes tell each other of the records that they know. No I/O.

A digest names each record with its age; a summary is a short word for all of them, which
is equal where two nodes know the same.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_core import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from clawmatrix_core import Peer
    from clawmatrix_core.spi import SignedRecord

__all__ = ["Summary", "in_batches", "make_digest", "missing_in"]

_FEW = 256
"""Members whose summary is computed whenever it is outdated."""
_SUMMARY_GAP = 0.25
"""Seconds between two computations of the summary of more."""
_BATCH = 256 * 1024
"""Characters of the records in one frame, about."""


class Summary:
    """The summary of what is known of all members, kept until it is outdated.

    That of many members is computed once in a while at most: each heartbeat of each neighbour
    asks for it, and one that is a moment old does no harm.

    Args:
        peers: returns the members, this node among them.
        now: the clock.
    """

    def __init__(self, peers: Callable[[], Iterable[Peer]], now: Callable[[], float]) -> None:
        self._peers = peers
        self._many = False
        self._now = now
        self._text = ""
        self._outdated = True
        self._computed = float("-inf")

    def __str__(self) -> str:
        soon = self._many and self._now() - self._computed < _SUMMARY_GAP
        if self._outdated and not soon:
            self._outdated, self._computed = False, self._now()
            ages = [(peer.node_id, *peer.record.age) for peer in self._peers()]
            self._many = len(ages) > _FEW
            self._text = hashlib.sha256(msgspec.json.encode(ages)).hexdigest()[:16]
        return self._text

    def outdate(self) -> None:
        """Compute it anew when it is next asked for: records have changed."""
        self._outdated = True


def make_digest(peers: Iterable[Peer]) -> list[list[object]]:
    """Return a digest, as it goes into a frame."""
    return [[peer.node_id, *peer.record.age] for peer in peers]


def missing_in(digest: Any, peers: Iterable[Peer]) -> list[SignedRecord]:
    """Return the records that a neighbour's digest lacks. Raises: RemoteProtocolError."""
    theirs = _read(digest)
    return [peer.signed for peer in peers if theirs.get(peer.node_id, (-1, -1)) < peer.record.age]


def in_batches(records: Iterable[SignedRecord]) -> Iterator[list[dict[str, str]]]:
    """Yield records as they go into frames, as many as one frame takes at a time."""
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


def _read(digest: Any) -> dict[str, tuple[int, int]]:
    try:
        return {
            name: (epoch, seq)
            for name, epoch, seq in digest
            if isinstance(name, str) and isinstance(epoch, int) and isinstance(seq, int)
        }
    except (TypeError, ValueError):
        raise RemoteProtocolError("a malformed digest", reason="bad_digest") from None
