"""The ``mcp`` plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import ConfigSection, StatusSection, frame_types, hookimpl
from clawmatrix_mcp.mounting.part import MountingPart
from clawmatrix_mcp.mounting.status import lines_of
from clawmatrix_mcp.offering.offering import Offering, status_lines
from clawmatrix_mcp.resources.frame_types import FRAME_TYPES
from clawmatrix_mcp.resources.part import ResourcesPart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click

    from clawmatrix_core import JSON, Check, Config, Frame, Node, PluginScope
    from clawmatrix_grants.api import ToolShape
    from clawmatrix_http.api import HttpRoute
    from clawmatrix_mcp.mounting.config import ServerConfig
    from clawmatrix_mcp.resources.servers import Servers
    from clawmatrix_tool_proxy.api import Tool

__all__ = ["McpPlugin"]


class McpPlugin:
    """Mounts MCP servers as tools of this node, and offers the mesh's tools to MCP clients.

    Attributes:
        mounting: the servers that are mounted.
        resources: resources and prompts, of this node's servers and of the mesh.
    """

    plugin_name = "mcp"
    extends = ("http", "tool-proxy", "grants")

    def __init__(self) -> None:
        self.mounting = MountingPart()
        self._offering = Offering()
        self.resources = ResourcesPart()

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the table ``mcp``."""
        return [ConfigSection("mcp", "clawmatrix_mcp.config:McpConfig")]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Return ``clawmatrix mcp``."""
        from clawmatrix_mcp.commands.pumping import mcp

        return [mcp]

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        """Say how mounted servers are, what MCP clients do, and what they do not see."""
        return [StatusSection("mcp", self._status, _lines)]

    @hookimpl
    def register_checks(self, config: Config) -> list[Check]:
        """Have ``clawmatrix doctor`` look at the mounted servers."""
        return [self.mounting.check(_servers(config))]

    @hookimpl
    def register_tools(self, node: Node) -> Sequence[Tool]:
        """Add the tools of mounted servers."""
        return self.mounting.tools()

    @hookimpl
    def register_http_routes(self) -> list[HttpRoute]:
        """Answer MCP clients at ``/mcp``."""
        return [self._offering.route()]

    @hookimpl
    def register_tool_shapes(self, node: Node) -> list[ToolShape]:
        """Tell the grants how the tools of mounted servers begin that are not known yet."""
        return self.mounting.shapes(_servers(node.config))

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Have the tools of the mesh offered."""
        self._scope = scope
        self.resources.start(node, scope, self.servers)
        self._offering.start(node, scope, self.resources)

    @hookimpl
    async def node_started(self, node: Node) -> None:
        """Start the servers: they need tool-proxy, which starts after this plugin."""
        await self.mounting.start(node, self._scope, lambda: _servers(node.config))
        self.resources.mounted()

    @hookimpl
    async def node_stopping(self) -> None:
        """End what only listens for changes."""
        await self._offering.close()

    @hookimpl
    async def peer_changed(self) -> None:
        """Tell clients, where other tools are offered now."""
        self._offer_anew()

    @hookimpl
    async def peer_gone(self) -> None:
        """Tell clients, where other tools are offered now."""
        self._offer_anew()

    @hookimpl
    async def routes_changed(self) -> None:
        """Tell clients, where other tools are offered now."""
        self._offer_anew()

    @hookimpl
    async def config_changed(self, changed: frozenset[str]) -> None:
        """Start and end servers, and tell clients, where other tools are offered now."""
        if any(key.startswith("mcp.servers") for key in changed):
            await self.mounting.configure()
        self.resources.reloaded(changed)
        self._offer_anew()

    @hookimpl
    @frame_types(*FRAME_TYPES)
    def frame_received(self, frame: Frame) -> bool | None:
        """Answer a list of resources and prompts, a reading or a prompt."""
        return self.resources.received(frame)

    def servers(self) -> Servers | None:
        """Return the servers that are mounted; None where there are none."""
        return self.mounting.mounts

    def _offer_anew(self) -> None:
        self.resources.nodes_changed()
        self._offering.changed()

    def _status(self) -> JSON:
        return {**self._offering.status(), **self.mounting.status()}


def _lines(status: JSON) -> Sequence[str]:
    return [*lines_of(status), *status_lines(status)]


def _servers(config: Config) -> Mapping[str, ServerConfig]:
    if not config.has_table("mcp"):
        return {}
    from clawmatrix_mcp.config import McpConfig  # most nodes do without

    return config.section(McpConfig).servers
