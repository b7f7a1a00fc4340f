"""Which exchange a frame belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core.base.errors import LocalProtocolError
from clawmatrix_core.base.node_id import NAME_LIMIT

if TYPE_CHECKING:
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.wire.codec import Lane

__all__ = ["Envelope", "Key"]

Key = tuple["NodeId", str, bool]
"""The peer, the id, and whether this node opened the exchange."""


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What is the same in every frame of one exchange.

    Attributes:
        id: the same at both ends.
        peer: the node at the other end.
        type: the type of the opening frame.
        initiated: True at the end that opened the exchange.
        lane: the lane of its frames.
    """

    id: str
    peer: NodeId
    type: str
    initiated: bool
    lane: Lane

    def __post_init__(self) -> None:
        if not 0 < len(self.type) <= NAME_LIMIT:
            raise LocalProtocolError(f"a type has 1 to {NAME_LIMIT} characters: {self.type!r}")

    @property
    def key(self) -> Key:
        """What frames of the other end are found by."""
        return (self.peer, self.id, self.initiated)
