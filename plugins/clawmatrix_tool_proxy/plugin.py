"""The plugin: what it registers, and how its parts come together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import ConfigSection, StatusSection, frame_types, hookimpl
from clawmatrix_tool_proxy import hookspecs
from clawmatrix_tool_proxy.api import Tool
from clawmatrix_tool_proxy.checking.checker import Checker
from clawmatrix_tool_proxy.config import ToolProxyConfig
from clawmatrix_tool_proxy.counts import Counts
from clawmatrix_tool_proxy.serving.answering import ToolServer
from clawmatrix_tool_proxy.serving.denials import Denials
from clawmatrix_tool_proxy.serving.exposure import Exposure
from clawmatrix_tool_proxy.serving.slots import Slots
from clawmatrix_tool_proxy.serving.table import ToolTable
from clawmatrix_tool_proxy.wire import TOOL_REQUEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import JSON, Frame, Metric, Node, PluginScope

__all__ = ["ToolProxyPlugin"]


class ToolProxyPlugin:
    """Exposes tools of this node to others, and calls those of other nodes."""

    plugin_name = "tool-proxy"
    hookspecs = hookspecs

    def __init__(self) -> None:
        self._slots, self._counts = Slots(), Counts()

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the table ``tool-proxy``."""
        return [ConfigSection("tool-proxy", ToolProxyConfig)]

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        """Say which tools are exposed, which run, and how calls ended."""
        return [StatusSection("tools", self._status, _lines)]

    @hookimpl
    def register_metrics(self) -> list[Metric]:
        """Count calls."""
        return self._counts.metrics(lambda: self._slots.running)

    @hookimpl
    def register_tools(self, node: Node) -> Sequence[Tool]:
        """Add the tools that come with the plugin."""
        return []

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Collect the tools, and serve them."""
        self._node, self._scope = node, scope
        self._table = ToolTable(node.hooks.works)
        self._expose()
        self._collect()
        checker = await scope.enter(Checker(), name="checker")
        denials = Denials(node)
        scope.start_soon(denials.run, name="denials")
        self._server = ToolServer(
            node, self._table, self._slots, denials, checker, self._counts.count
        )

    @hookimpl
    async def config_changed(self, node: Node, changed: frozenset[str]) -> None:
        """Expose other tools."""
        if any(key.startswith("tool-proxy.") for key in changed):
            self._expose()
            self._collect()
            node.policy_changed("the tools that are exposed")

    @hookimpl
    @frame_types(TOOL_REQUEST)
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        """Answer a call."""
        return node.accept(frame, self._server.answer, self._scope)

    def _collect(self) -> None:
        found = self._node.hooks.collect(hookspecs.register_tools, Tool)
        self._table.put(self._node.hooks.unique("tool", found, lambda tool: tool.name))

    def _expose(self) -> None:
        config = self._node.config.section(ToolProxyConfig)
        self._table.expose(Exposure(config.allow, config.deny))

    def _status(self) -> JSON:
        return {
            "exposed": [tool.name for tool in self._table.all_exposed(own=False)],
            "running": dict(self._slots.running),
            "outcomes": dict(self._counts.read()),
        }


def _lines(status: JSON) -> list[str]:
    exposed = status["exposed"]
    return [f"tools: {', '.join(exposed)}"] if exposed else []
