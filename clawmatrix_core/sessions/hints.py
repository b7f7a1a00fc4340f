"""Hints that a session is not known, each way and not too often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.base.node_id import NodeId

__all__ = ["Hints"]

GAP = 1.0
"""Seconds between two hints to, or from, one node."""
FORGET = 60.0
"""Seconds for which a hint is remembered."""


class Hints:
    """When a hint was last given to, or taken from, each node."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._last: dict[tuple[str, NodeId], float] = {}

    def __len__(self) -> int:
        return len(self._last)

    def admit(self, way: Literal["given", "taken"], peer: NodeId) -> bool:
        """Note a hint, if it is not too soon after the last one; say whether it was noted."""
        now = self._now()
        last = self._last.get((way, peer))
        if last is not None and now - last < GAP:
            return False
        self._last[way, peer] = now
        return True

    def concern(self, peer: NodeId) -> bool:
        """Say whether one of both ends did not know a session of the other's lately."""
        return ("given", peer) in self._last or ("taken", peer) in self._last

    def tick(self, now: float) -> None:
        """Forget old hints."""
        self._last = {key: at for key, at in self._last.items() if now - at < FORGET}
