"""The owner of each response that an upstream keeps: its key, model and upstream.

An upstream knows the operator's key only, and gives a response to whoever knows its id. Here each
key has ids of its own, so that no other node can read a response, or go on from one, by its id.
Nothing of what a response says is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core import Bound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["ID_LIMIT", "OWNED", "OwnedIds", "Owners", "Place"]

OWNED = Bound(
    16_384,
    "ids of responses, and of their items, whose owner is remembered",
    fed_by="a member",
    when_full="the oldest of the key that has the most is forgotten",
)
ID_LIMIT = 256
"""Characters of an id; a longer one is remembered nowhere."""


class Place(msgspec.Struct, frozen=True):
    """Where responses are kept: the model that was asked for, and its upstream's base URL."""

    model: str
    base_url: str


class OwnedIds(msgspec.Struct, frozen=True):
    """Ids of one key at one place, in the order in which they came, as they are stored."""

    key: bytes
    place: Place
    ids: list[str]


class Owners:
    """A bounded table: by key and id, the place of a response or of one of its items.

    Attributes:
        mark: grows with each change.
    """

    def __init__(self, limit: int = OWNED, *, changed: Callable[[], None] = lambda: None) -> None:
        """Make one; ``changed`` is called after each change."""
        self.mark = 0
        self._changed = changed
        self._limit = limit
        self._by_key: dict[bytes, OrderedDict[str, Place]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def note(self, key: bytes, place: Place, ids: Iterable[str]) -> None:
        """Note that a key was given these ids. Of one id the latest place counts."""
        kept = [id_ for id_ in ids if 0 < len(id_) <= ID_LIMIT]
        if not kept:
            return
        own = self._by_key.setdefault(key, OrderedDict())
        for id_ in kept:
            self._count += own.pop(id_, None) is None
            own[id_] = place
        while self._count > self._limit:
            self._forget_oldest(max(self._by_key, key=lambda one: len(self._by_key[one])))
        self._note_change()

    def find(self, key: bytes, id_: str) -> Place | None:
        """Return where something of a key's is, None where the key was given no such id."""
        own = self._by_key.get(key)
        return None if own is None else own.get(id_)

    def forget(self, key: bytes, id_: str) -> None:
        """Forget an id, whose response was deleted."""
        own = self._by_key.get(key)
        if own is None or own.pop(id_, None) is None:
            return
        self._count -= 1
        if not own:
            del self._by_key[key]
        self._note_change()

    def _note_change(self) -> None:
        self.mark += 1
        self._changed()

    def _forget_oldest(self, key: bytes) -> None:
        own = self._by_key[key]
        own.popitem(last=False)
        self._count -= 1
        if not own:
            del self._by_key[key]

    def to_state(self) -> list[OwnedIds]:
        """Return all there is, to be stored."""
        stored: list[OwnedIds] = []
        for key, own in self._by_key.items():
            last: OwnedIds | None = None
            for id_, place in own.items():
                if last is None or last.place != place:
                    last = OwnedIds(key, place, [])
                    stored.append(last)
                last.ids.append(id_)
        return stored

    def restore(self, stored: Iterable[OwnedIds]) -> None:
        """Take over what was stored."""
        for one in stored:
            self.note(one.key, one.place, one.ids)
