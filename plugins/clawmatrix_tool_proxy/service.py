"""Everything that a node needs where it serves tools or asks for them; most nodes do without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread
import msgspec

from clawmatrix_tool_proxy import hookspecs
from clawmatrix_tool_proxy.catalog.entries import ENTRY, entry_of
from clawmatrix_tool_proxy.catalog.keeping import CatalogKeeper
from clawmatrix_tool_proxy.catalog.serving import CatalogServer
from clawmatrix_tool_proxy.checking.checker import Checker
from clawmatrix_tool_proxy.config import ToolProxyConfig
from clawmatrix_tool_proxy.peers import CLUSTER_PEERS, peers_tool
from clawmatrix_tool_proxy.serving.answering import ToolServer
from clawmatrix_tool_proxy.serving.denials import Denials
from clawmatrix_tool_proxy.serving.exposure import Exposure
from clawmatrix_tool_proxy.serving.slots import Slots
from clawmatrix_tool_proxy.serving.table import ToolTable
from clawmatrix_tool_proxy.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core import Exchange, Node, PluginScope
    from clawmatrix_tool_proxy.own_tools import OwnTools
    from clawmatrix_tool_proxy.wire import Outcome

__all__ = ["ToolService"]


class ToolService:
    """The tools of a node as it runs, and the lists of those of others.

    Attributes:
        table: the tools of all plugins, and which of them are exposed.
        slots: which of them run.
        keeper: the lists of other nodes.
        lists: what tells other nodes the list of this one.
    """

    def __init__(self, node: Node, scope: PluginScope, count: Callable[[Outcome], None]) -> None:
        """Make one, which does nothing yet; ``count`` is told how each call ended."""
        self._node, self._scope, self._count = node, scope, count
        self._own: OwnTools | None = None
        self.slots = Slots()
        self.table, self.keeper = ToolTable(node.hooks.works), CatalogKeeper(node, scope)
        self.table.open = frozenset({CLUSTER_PEERS})
        self.lists = CatalogServer(node, self.table)

    async def start(self) -> None:
        """Collect the tools, and serve them."""
        await self.configure()
        self.collect()
        checker = await self._scope.enter(Checker(), name="checker")
        denials = Denials(self._node)
        self._scope.start_soon(denials.run, name="denials")
        self._server = ToolServer(self._node, self.table, self.slots, denials, checker, self._count)
        self._node.when_policy_changes(lambda _: self.lists.changed())
        self._node.hooks.when_failed(lambda _: self.lists.changed())

    async def answer(self, ex: Exchange) -> None:
        """Answer a call of a tool: the handler of its exchange."""
        await self._server.answer(ex)

    async def configure(self) -> None:
        """Expose what the configuration says now, and open the roots that it has."""
        config = self._node.config.section(ToolProxyConfig)
        if self._own is not None:
            await self._own.configure()
        elif config.roots:
            own = (await anyio.to_thread.run_sync(_own_tools_class))(self._node)
            self._own = await self._scope.enter(own, name="own tools")
        self.table.expose(Exposure(config.allow, config.deny))

    def collect(self) -> None:
        """Take the tools that all plugins have now."""
        hooks = self._node.hooks
        found = hooks.unique(
            "tool", hooks.collect(hookspecs.register_tools, Tool), lambda tool: tool.name
        )
        self.table.put([(plugin, tool) for plugin, tool in found if self._fits(plugin, tool)])
        self.lists.changed()

    def tools(self) -> Sequence[Tool]:
        """Return the tools that come with the plugin."""
        own = () if self._own is None else self._own.tools()
        return [peers_tool(self._node, self.keeper), *own]

    def _fits(self, plugin: str, tool: Tool) -> bool:
        """Say whether a tool can stand in a list; else it is a fault of its plugin."""
        try:
            size = len(msgspec.json.encode(entry_of(tool)))
        except (TypeError, ValueError) as error:
            why = str(error)
        else:
            if size <= ENTRY:
                return True
            why = f"{size} bytes of description and parameters; {ENTRY} is the most"
        fault = ValueError(f"the tool {tool.name} is left out: {why}")
        self._node.hooks.report(plugin, hookspecs.register_tools, fault)
        return False


def _own_tools_class() -> type[OwnTools]:
    from clawmatrix_tool_proxy.own_tools import OwnTools  # nodes without roots

    return OwnTools
