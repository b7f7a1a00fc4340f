"""The [mcp] table."""

from __future__ import annotations

import attrs

from clawmatrix_core import is_node_id, option

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
