"""What is remembered of exchanges that are over, so that a repeat of one starts nothing."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from clawmatrix_core.frames import NodeId

    Key = tuple[NodeId, str, bool]

__all__ = ["REMEMBERED", "Done", "Finished"]

REMEMBERED = 65536
"""Exchanges that are remembered at most."""


@attrs.frozen(slots=True)
class Done:
    """What is remembered of an exchange that is over here.

    Attributes:
        until: when it is forgotten.
        ack: how many frames of the other end are not missed here.
        clean: True where those are all.
        refusal: the body of the error that was its only answer, to be repeated.
    """

    until: float
    ack: int
    clean: bool
    refusal: bytes | None = None


class Finished:
    """The exchanges that were over lately, by peer.

    When there are too many, the oldest of the peer that has most of them goes: whoever ends
    one exchange after the other makes this node forget none of anybody else's.
    """

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._by_peer: dict[NodeId, OrderedDict[Key, Done]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, key: Key) -> Done | None:
        """Return what is remembered of an exchange, None where it is nothing."""
        own = self._by_peer.get(key[0])
        return None if own is None else own.get(key)

    def put(self, key: Key, done: Done) -> None:
        """Remember an exchange, in place of what was known of it. ``until`` never falls."""
        own = self._by_peer.setdefault(key[0], OrderedDict())
        self._count += own.pop(key, None) is None
        own[key] = done  # the oldest come first
        if self._count > self._limit:
            most = max(self._by_peer, key=lambda peer: len(self._by_peer[peer]))
            self._drop_oldest(most)

    def forget(self, now: float) -> None:
        """Drop what has had its time."""
        for peer, own in list(self._by_peer.items()):
            while own and next(iter(own.values())).until <= now:
                self._drop_oldest(peer)

    def _drop_oldest(self, peer: NodeId) -> None:
        own = self._by_peer[peer]
        own.popitem(last=False)
        self._count -= 1
        if not own:
            del self._by_peer[peer]
