"""The definitions that nobody has accepted yet, since this node started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

from clawmatrix_core import Bound
from clawmatrix_tool_proxy.pinning.owners import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clawmatrix_tool_proxy.pinning.definitions import Definition

__all__ = ["WAITING_OWNERS", "WAITING_TEXTS", "Waiting", "WaitingTable", "Why"]

WAITING_OWNERS = Bound(
    512,
    "nodes and mounted servers of which definitions of tools wait for a person",
    fed_by="a member",
    when_full="those of one more are not listed, and nobody can accept them",
)
WAITING_TEXTS = Bound(
    8 * 1024**2,
    "bytes of definitions of tools that are kept while they wait for a person",
    fed_by="a member",
    when_full="one owner takes half of what is free; what has no room cannot be accepted",
)

Why: TypeAlias = Literal["added", "changed"]


@attrs.frozen
class Waiting:
    """A tool that is not listed.

    Attributes:
        why: whether it is new, or its definition is another one than the pinned one.
        definition: what it is now; None where that is no JSON, or is not kept.
    """

    why: Why
    definition: Definition | None


class WaitingTable:
    """What waits, by owner and by name."""

    def __init__(self) -> None:
        self._owners: dict[str, Mapping[str, Waiting]] = {}
        self._size = 0

    def __iter__(self) -> Iterator[tuple[str, Mapping[str, Waiting]]]:
        return iter(tuple(self._owners.items()))

    def get(self, owner: str) -> Mapping[str, Waiting]:
        """Return what waits of an owner."""
        return self._owners.get(owner, {})

    def put(self, owner: str, waiting: Mapping[str, Waiting]) -> bool:
        """Take what waits of an owner in the place of that before; say whether it is more.

        An owner of one name with another key or command gives way.
        """
        before = self.get(owner)
        label = Owner.of(owner).label
        for other in [one for one in self._owners if Owner.of(one).label == label]:
            self.drop(other)
        if not waiting or len(self._owners) >= WAITING_OWNERS:
            return False
        most = (WAITING_TEXTS - self._size) // 2  # no owner takes all that is left
        self._owners[owner] = dict(self._kept(waiting, self._size + most))
        return any(one != before.get(name) for name, one in self._owners[owner].items())

    def drop(self, owner: str) -> None:
        """Forget what waits of an owner."""
        gone = self._owners.pop(owner, {})
        self._size -= sum(_size(one) for one in gone.values())

    def accepted(self, owner: str, names: Mapping[str, Definition]) -> None:
        """Note that these wait no more."""
        left = {name: one for name, one in self.get(owner).items() if name not in names}
        self.put(owner, left)

    def _kept(self, told: Mapping[str, Waiting], most: int) -> Iterator[tuple[str, Waiting]]:
        for name, one in told.items():
            size = _size(one)
            if self._size + size > most:
                yield name, attrs.evolve(one, definition=None)
            else:
                self._size += size
                yield name, one


def _size(one: Waiting) -> int:
    return 0 if one.definition is None else len(one.definition.text.encode())
