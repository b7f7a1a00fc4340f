"""The ``mcp`` plugin."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from clawmatrix_core import ConfigSection, StatusSection, hookimpl
from clawmatrix_mcp.config import McpConfig

if TYPE_CHECKING:
    import click

    from clawmatrix_core import Node, PluginScope
    from clawmatrix_http.api import HttpRoute
    from clawmatrix_mcp.offering.offering import Offering

__all__ = ["McpPlugin"]


class McpPlugin:
    """Mounts MCP servers as tools of this node, and offers the mesh's tools to MCP clients."""

    plugin_name = "mcp"
    extends = ("http", "tool-proxy", "grants")

    @cached_property
    def _offering(self) -> Offering:
        from clawmatrix_mcp.offering.offering import Offering  # `clawmatrix mcp` does without

        return Offering()

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the table ``mcp``."""
        return [ConfigSection("mcp", McpConfig)]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Return ``clawmatrix mcp``."""
        from clawmatrix_mcp.commands.pumping import mcp

        return [mcp]

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        """Say what MCP clients do here, and what they do not see."""
        from clawmatrix_mcp.offering.offering import status_lines

        return [StatusSection("mcp", self._offering.status, status_lines)]

    @hookimpl
    def register_http_routes(self) -> list[HttpRoute]:
        """Answer MCP clients at ``/mcp``."""
        return [self._offering.route()]

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Have the tools of the mesh offered."""
        self._offering.start(node, scope)

    @hookimpl
    async def node_stopping(self) -> None:
        """End what only listens for changes."""
        await self._offering.close()

    @hookimpl
    async def peer_changed(self) -> None:
        """Tell clients, where other tools are offered now."""
        self._offering.changed()

    @hookimpl
    async def peer_gone(self) -> None:
        """Tell clients, where other tools are offered now."""
        self._offering.changed()

    @hookimpl
    async def routes_changed(self) -> None:
        """Tell clients, where other tools are offered now."""
        self._offering.changed()

    @hookimpl
    async def config_changed(self) -> None:
        """Tell clients, where other tools are offered now."""
        self._offering.changed()
