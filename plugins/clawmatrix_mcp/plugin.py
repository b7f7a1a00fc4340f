"""The ``mcp`` plugin."""

from __future__ import annotations

from clawmatrix_core import ConfigSection, hookimpl

__all__ = ["McpPlugin"]


class McpPlugin:
    """Mounts MCP servers as tools of this node, and offers the mesh's tools to MCP clients."""

    plugin_name = "mcp"
    extends = ("http", "tool-proxy", "grants")

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the table ``mcp``."""
        return [ConfigSection("mcp", "clawmatrix_mcp.config:McpConfig")]
