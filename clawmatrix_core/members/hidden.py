"""The names that a person has listed no more, until they prove themselves again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.stored import read_as

if TYPE_CHECKING:
    from clawmatrix_core.state.folder import State

__all__ = ["Hidden"]

_FILE = "hidden"


class Hidden:
    """The hidden names, each with when it was hidden. Raises: StateError, as ``read_as``."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._names = read_as(state, _FILE, dict[NodeId, float])

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._names

    def all(self) -> list[NodeId]:
        """Return the names, sorted."""
        return sorted(map(NodeId, self._names))

    def add(self, node_id: NodeId, *, now: float) -> None:
        """Hide a name. Raises: StateError, where it cannot be written."""
        self._names[node_id] = now
        self._state.write(_FILE, self._names)

    def remove(self, node_id: NodeId) -> None:
        """Hide a name no more. Raises: StateError, where it cannot be written."""
        if self._names.pop(node_id, None) is not None:
            self._state.write(_FILE, self._names)
