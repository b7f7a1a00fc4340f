"""The ``mcp`` plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import ConfigSection, StatusSection, hookimpl
from clawmatrix_mcp.mounting.part import MountingPart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clawmatrix_core import Check, Config, Node, PluginScope
    from clawmatrix_grants.api import ToolShape
    from clawmatrix_mcp.mounting.config import ServerConfig
    from clawmatrix_tool_proxy.api import Tool

__all__ = ["McpPlugin"]


class McpPlugin:
    """Mounts MCP servers as tools of this node, and offers the mesh's tools to MCP clients.

    Attributes:
        mounting: the servers that are mounted.
    """

    plugin_name = "mcp"
    extends = ("http", "tool-proxy", "grants")

    def __init__(self) -> None:
        self.mounting = MountingPart()

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the table ``mcp``."""
        return [ConfigSection("mcp", "clawmatrix_mcp.config:McpConfig")]

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        """Say how the mounted servers are."""
        return [self.mounting.status_section()]

    @hookimpl
    def register_checks(self, config: Config) -> list[Check]:
        """Have ``clawmatrix doctor`` look at the mounted servers."""
        return [self.mounting.check(_servers(config))]

    @hookimpl
    def register_tools(self, node: Node) -> Sequence[Tool]:
        """Add the tools of mounted servers."""
        return self.mounting.tools()

    @hookimpl
    def register_tool_shapes(self, node: Node) -> list[ToolShape]:
        """Tell the grants how the tools of mounted servers begin that are not known yet."""
        return self.mounting.shapes(_servers(node.config))

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Start the servers."""
        await self.mounting.start(node, scope, lambda: _servers(node.config))

    @hookimpl
    async def config_changed(self, node: Node, changed: frozenset[str]) -> None:
        """Start and end servers as the table has them now."""
        if any(key.startswith("mcp.servers") for key in changed):
            await self.mounting.configure()


def _servers(config: Config) -> Mapping[str, ServerConfig]:
    if not config.has_table("mcp"):
        return {}
    from clawmatrix_mcp.config import McpConfig  # most nodes do without

    return config.section(McpConfig).servers
