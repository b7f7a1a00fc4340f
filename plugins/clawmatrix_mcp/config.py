"""The [mcp] table."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read from the annotation

import attrs

from clawmatrix_core import is_node_id, option
from clawmatrix_mcp.exposing import ResourcePattern  # noqa: TC001 - read by attrs
from clawmatrix_mcp.mounting.config import ServerConfig, check_server_names

__all__ = ["McpConfig"]


def _are_names(_: object, __: object, value: tuple[str, ...] | None) -> None:
    for name in value or ():
        if not is_node_id(name):
            raise ValueError(f'"{name}" is no name of a node')


@attrs.frozen
class McpConfig:
    """The [mcp] table."""

    nodes: tuple[str, ...] | None = option(
        default=None,
        shown="those that are known as accepted, invited or introduced",
        doc="The nodes whose tools MCP clients of this node see. This node's own are always seen.",
        validator=_are_names,
        reload=True,
    )
    resources: tuple[ResourcePattern, ...] = option(
        default=(),
        doc="Resources and prompts of mounted servers that other nodes and MCP clients may be"
        ' granted: patterns for `SERVER/URI` and `SERVER/prompts/NAME`, such as `"notes/**"`.',
        reload=True,
    )
    servers: Mapping[str, ServerConfig] = option(
        factory=dict,
        doc="MCP servers whose tools become tools of this node, by name.",
        validator=check_server_names,
        reload=True,
    )
