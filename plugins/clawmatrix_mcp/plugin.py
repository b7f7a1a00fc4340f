"""The ``mcp`` plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import ConfigSection, frame_types, hookimpl
from clawmatrix_mcp.config import McpConfig
from clawmatrix_mcp.offering.seen import Seen
from clawmatrix_mcp.resources.part import FRAME_TYPES, ResourcesPart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import Frame, Node, PluginScope
    from clawmatrix_grants.api import Glob
    from clawmatrix_mcp.resources.servers import Servers

__all__ = ["McpPlugin"]


class McpPlugin:
    """Mounts MCP servers as tools of this node, and offers the mesh's tools to MCP clients.

    Attributes:
        resources: resources and prompts, of this node's servers and of the mesh.
    """

    plugin_name = "mcp"
    extends = ("http", "tool-proxy", "grants")

    def __init__(self) -> None:
        self.resources = ResourcesPart()

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the table ``mcp``."""
        return [ConfigSection("mcp", McpConfig)]

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Serve resources and prompts."""

        def patterns() -> Sequence[Glob]:
            return [pattern.glob for pattern in node.config.section(McpConfig).resources]

        self.resources.start(node, scope, servers=self.servers, patterns=patterns, seen=Seen(node))

    @hookimpl
    async def config_changed(self, changed: frozenset[str]) -> None:
        """Serve what is exposed now."""
        if any(key.startswith("mcp.") for key in changed):
            self.resources.changed()

    @hookimpl
    @frame_types(*FRAME_TYPES)
    def frame_received(self, frame: Frame) -> bool | None:
        """Answer a list of resources and prompts, a reading or a prompt."""
        return self.resources.received(frame)

    def servers(self) -> Servers | None:
        """Return the servers that are mounted; None where there are none."""
        return None
