"""What every part of a node knows of the node itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from clawmatrix_core.base.node_id import NodeId

__all__ = ["Local"]


class Local(msgspec.Struct, frozen=True):
    """One run of one node, as its parts see it.

    Attributes:
        node_id: the node's name.
        instance: the word of this run; a node that starts again has another one.
        now: returns seconds from any start, and never goes back.
        wall: returns seconds since 1970.
        new_id: returns a fresh word for an exchange or a session.
        counters: how often something was refused or lost, by reason.
    """

    node_id: NodeId
    instance: str
    now: Callable[[], float]
    wall: Callable[[], float]
    new_id: Callable[[], str]
    counters: Counter[str]

    def count(self, reason: str) -> None:
        """Count something that was refused or lost."""
        self.counters[reason] += 1
