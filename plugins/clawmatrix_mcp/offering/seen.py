"""The nodes whose tools MCP clients of this node see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clawmatrix_core import Bound, NodeId, key_text
from clawmatrix_mcp.config import McpConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import Node

__all__ = ["NODES", "Seen"]

NODES = Bound(
    60,
    "other nodes whose tools MCP clients see",
    fed_by="a member",
    when_full="the tools of those with later names are left out, and the status names them",
)
PROVEN: Final = ("accepted", "invited", "introduced")


class Seen:
    """Says whose tools are seen: those of ``[mcp] nodes``, or of nodes whose names are proven."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def all(self) -> Sequence[NodeId]:
        """Return the other nodes that are seen, by name; more than are asked."""
        named = self._node.config.section(McpConfig).nodes
        if named is not None:
            return sorted({NodeId(name) for name in named if name != self._node.id})
        known = (peer.node_id for peer in self._node.directory.listed())
        return sorted(name for name in known if name != self._node.id and self._is_proven(name))

    def why_not(self, name: NodeId, key: bytes | None) -> str:
        """Return why the tools are not seen that a key told for a name; empty where they are."""
        known = self._node.directory.get(name)
        if known is None or known.record.sign_key_bytes() != key:
            return "its name has another key now"
        named = self._node.config.section(McpConfig).nodes
        if named is None and not self._is_proven(name):
            return "its name is not proven"
        return "" if named is None or name in named else "it is not in [mcp] nodes"

    def _is_proven(self, name: NodeId) -> bool:
        known = self._node.directory.get(name)
        if known is None:
            return False
        key = known.record.sign_key_bytes()
        return self._node.trust.how_known(name, key_text(key)) in PROVEN
