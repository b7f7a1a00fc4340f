"""Which first parts of model ids were in use before a node had them as its name. Pure state."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from clawmatrix_core import Bound, NodeId

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CLAIMS_BY_ONE", "CLAIMS_MOST", "Claims"]

CLAIMS_MOST = Bound(
    4096,
    "first parts of model ids that are remembered as no node's name",
    fed_by="a member",
    when_full="those that nobody offers who proved itself give way; else a new one is not"
    " remembered, and a node's name heard later goes before it",
)
CLAIMS_BY_ONE = Bound(
    256,
    "of these, first parts of one member's ids",
    fed_by="a member",
    when_full="a new one is not remembered, and a node's name heard later goes before it",
)


class Claims:
    """The member that was first to offer an id with each first part.

    First parts are as ``fold`` has them. ``own`` is this node, whose first parts always have a
    place: its configuration bounds them.
    """

    def __init__(self, own: NodeId, stored: Mapping[str, NodeId]) -> None:
        self._own = own
        self._by_part: dict[str, NodeId] = dict(stored)
        self._counts = Counter(self._by_part.values())

    def __repr__(self) -> str:
        return f"<Claims of {len(self._by_part)} first parts>"

    def __len__(self) -> int:
        return len(self._by_part)

    def all(self) -> dict[str, NodeId]:
        """Return them, to be stored."""
        return dict(self._by_part)

    def get(self, part: str) -> NodeId | None:
        """Return who was first to offer ids with a first part; None where nobody has a claim."""
        return self._by_part.get(part)

    def put(self, part: str, by: NodeId, spare: list[str]) -> bool:
        """Note who offers ids with a first part, in place of an earlier claim.

        ``spare`` are the first parts that can give way; one that does is taken from its end.
        Returns False where there is no place.
        """
        if by != self._own and self._counts[by] >= CLAIMS_BY_ONE:
            return False
        full = part not in self._by_part and len(self) >= CLAIMS_MOST
        if full and by != self._own and not self._give_way(spare):
            return False
        self.drop(part)
        self._by_part[part] = by
        self._counts[by] += 1
        return True

    def _give_way(self, spare: list[str]) -> bool:
        while spare:
            part = spare.pop()
            if part in self._by_part:
                self.drop(part)
                return True
        return False

    def drop(self, part: str) -> None:
        """Forget a claim."""
        by = self._by_part.pop(part, None)
        if by is not None:
            self._counts[by] -= 1
