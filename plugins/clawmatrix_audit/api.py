"""What other plugins use of the audit: a caller keeps the head that came with a result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clawmatrix_core import Node, NodeId

__all__ = ["KeepsHeads", "keep_head"]


class KeepsHeads(ABC):
    """What the object of a plugin is that keeps heads of other nodes."""

    @abstractmethod
    def keep_head(self, peer: NodeId, key: bytes, head: bytes) -> bool:
        """See ``keep_head`` below."""


def keep_head(node: Node, peer: NodeId, key: bytes, head: bytes) -> bool:
    """Keep the head of another node's audit, which came with a result; say whether it is kept.

    One that the other node did not sign is not, nor an empty one; the log tells of the first.

    Args:
        node: this node.
        peer: the name of the other node, for the log.
        key: its key, as ``Exchange.peer_key`` has it.
        head: what ``Receipt.head`` was there.
    """
    # mypy wants a class that can be made; this one is only compared with.
    plugin = node.plugins.find(KeepsHeads)  # type: ignore[type-abstract]
    return plugin is not None and plugin.keep_head(peer, key, head)
