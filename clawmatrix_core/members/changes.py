"""Which names changed, and when: for readers that take over nothing but the difference."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clawmatrix_core.base.node_id import NodeId

__all__ = ["Changes"]


class Changes:
    """The names that changed, the latest last; each stands in it once.

    At most ``most`` names are kept. A reader that lags behind those reads everything.

    Attributes:
        mark: counts the changes so far.
    """

    def __init__(self, most: int) -> None:
        self.mark = 0
        self._most = most
        self._marks: OrderedDict[NodeId, int] = OrderedDict()
        self._forgotten = 0

    def __repr__(self) -> str:
        return f"<Changes {self.mark}, {len(self._marks)} names>"

    def note(self, name: NodeId) -> None:
        """Note that something about a name changed."""
        self.mark += 1
        self._marks[name] = self.mark
        self._marks.move_to_end(name)
        if len(self._marks) > self._most:
            _, self._forgotten = self._marks.popitem(last=False)

    def since(self, mark: int) -> list[NodeId] | None:
        """Return the names that changed after a mark; None where that is not known any more."""
        if mark < self._forgotten:
            return None
        found = []
        for name in reversed(self._marks):
            if self._marks[name] <= mark:
                break
            found.append(name)
        return found
