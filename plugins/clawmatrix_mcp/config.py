"""The [mcp] table."""

from __future__ import annotations

import attrs

from clawmatrix_core import option
from clawmatrix_mcp.exposing import ResourcePattern  # noqa: TC001 - read by attrs

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
    resources: tuple[ResourcePattern, ...] = option(
        default=(),
        doc="Resources and prompts of mounted servers that other nodes and MCP clients may be"
        ' granted: patterns for `SERVER/URI` and `SERVER/prompts/NAME`, such as `"notes/**"`.',
        reload=True,
    )
