"""The ``mcp`` plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import ConfigSection, hookimpl
from clawmatrix_mcp.config import McpConfig

if TYPE_CHECKING:
    import click

__all__ = ["McpPlugin"]


class McpPlugin:
    """Mounts MCP servers as tools of this node, and offers the mesh's tools to MCP clients."""

    plugin_name = "mcp"
    extends = ("http", "tool-proxy", "grants")

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the table ``mcp``."""
        return [ConfigSection("mcp", McpConfig)]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Return ``clawmatrix mcp``."""
        from clawmatrix_mcp.commands.pumping import mcp

        return [mcp]
