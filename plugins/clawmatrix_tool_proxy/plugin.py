"""The plugin: what it registers, and how its parts come together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import ConfigSection, hookimpl
from clawmatrix_tool_proxy import hookspecs
from clawmatrix_tool_proxy.config import ToolProxyConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import Node, PluginScope
    from clawmatrix_tool_proxy.api import Tool

__all__ = ["ToolProxyPlugin"]


class ToolProxyPlugin:
    """Exposes tools of this node to others, and calls those of other nodes."""

    plugin_name = "tool-proxy"
    hookspecs = hookspecs

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the table ``tool-proxy``."""
        return [ConfigSection("tool-proxy", ToolProxyConfig)]

    @hookimpl
    def register_tools(self, node: Node) -> Sequence[Tool]:
        """Add the tools that come with the plugin."""
        return []

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Collect the tools, and serve them."""
        self._node, self._scope = node, scope
