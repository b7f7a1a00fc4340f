"""The [mcp] table."""

from __future__ import annotations

import attrs

from clawmatrix_core import option

__all__ = ["McpConfig"]


@attrs.frozen
class McpConfig:
    """The [mcp] table."""

    nodes: tuple[str, ...] | None = option(
        default=None,
        shown="those that are known as accepted, invited or introduced",
        doc="The nodes whose tools MCP clients of this node see. This node's own are always seen.",
        reload=True,
    )
