"""What is remembered of exchanges that are over, so that a repeat of one starts nothing."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core.base.bounds import Bound

if TYPE_CHECKING:
    from clawmatrix_core.base.node_id import NodeId

    Key = tuple[NodeId, str, bool]
    _Way = tuple[NodeId, bool]

__all__ = ["REMEMBERED", "Done", "Finished"]

REMEMBERED = Bound(
    65_536,
    "exchanges that are over, whose numbers are remembered",
    fed_by="a member",
    when_full="the oldest of the node that has the most is forgotten",
)


class Done(msgspec.Struct, frozen=True, gc=False):
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
    """The exchanges that were over lately, by peer and by which end opened them.

    When there are too many, the peer and direction with the most entries lose their oldest one.
    A peer that ends many exchanges makes this node forget only its own. A busy node remembers as
    many as the limit allows, so each entry takes as little memory as possible.
    """

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._kept: dict[_Way, OrderedDict[str, Done]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, key: Key) -> Done | None:
        """Return the memory of an exchange, None for an unknown one."""
        peer, id_, opened = key
        own = self._kept.get((peer, opened))
        return None if own is None else own.get(id_)

    def put(self, key: Key, done: Done) -> None:
        """Remember an exchange, and replace older knowledge of it. ``until`` never falls."""
        peer, id_, opened = key
        own = self._kept.get((peer, opened))
        if own is None:
            own = self._kept[peer, opened] = OrderedDict()
        self._count += own.pop(id_, None) is None
        own[id_] = done  # the oldest come first
        if self._count > self._limit:
            self._drop_oldest(max(self._kept, key=lambda way: len(self._kept[way])))

    def forget(self, now: float) -> None:
        """Drop what has had its time."""
        for way, own in list(self._kept.items()):
            while own and next(iter(own.values())).until <= now:
                self._drop_oldest(way)

    def _drop_oldest(self, way: _Way) -> None:
        own = self._kept[way]
        own.popitem(last=False)
        self._count -= 1
        if not own:
            del self._kept[way]
