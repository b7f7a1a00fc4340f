"""Who calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs

from clawmatrix_core import LOCAL, key_text

if TYPE_CHECKING:
    from clawmatrix_core import Exchange, Node, NodeId

__all__ = ["Caller"]


@attrs.frozen
class Caller:
    """The other end of an exchange, or one of this node's own clients.

    Attributes:
        peer: its name, ``LOCAL`` for own clients.
        key: the key that it has proved, as text; None for ``LOCAL``.
    """

    peer: NodeId
    key: str | None

    @classmethod
    def of(cls, node: Node, ex: Exchange) -> Self:
        """Return who is at the other end of an exchange."""
        if node.is_own_client(ex.peer, ex.peer_key) or ex.peer_key is None:
            return cls(LOCAL, None)
        return cls(ex.peer, key_text(ex.peer_key))

    @property
    def own(self) -> bool:
        """Whether it is one of this node's own clients."""
        return self.peer == LOCAL
