"""The plugin: what it registers, and how its parts come together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core import Check, ConfigSection, StatusSection, frame_types, hookimpl
from clawmatrix_tool_proxy import hookspecs
from clawmatrix_tool_proxy.api import Catalog, HasTools, Pins, Tool, ToolFailed
from clawmatrix_tool_proxy.catalog.entries import ENTRY, TOOL_LIST, entry_of
from clawmatrix_tool_proxy.catalog.keeping import CatalogKeeper
from clawmatrix_tool_proxy.catalog.serving import CatalogServer
from clawmatrix_tool_proxy.checking.checker import Checker
from clawmatrix_tool_proxy.config import ToolProxyConfig
from clawmatrix_tool_proxy.counts import Counts
from clawmatrix_tool_proxy.methods import ToolMethods
from clawmatrix_tool_proxy.peers import CLUSTER_PEERS, peers_tool
from clawmatrix_tool_proxy.pinning.methods import PinMethods
from clawmatrix_tool_proxy.pinning.part import forget_nodes, pins_in, pins_status
from clawmatrix_tool_proxy.serving.answering import ToolServer
from clawmatrix_tool_proxy.serving.denials import Denials
from clawmatrix_tool_proxy.serving.exposure import Exposure
from clawmatrix_tool_proxy.serving.slots import Slots
from clawmatrix_tool_proxy.serving.table import ToolTable
from clawmatrix_tool_proxy.wire import TOOL_REQUEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import click

    from clawmatrix_core import (
        JSON,
        Config,
        ControlMethod,
        Frame,
        Metric,
        Node,
        NodeId,
        PluginScope,
    )
    from clawmatrix_grants.api import ToolShape
    from clawmatrix_tool_proxy.own_tools import OwnTools

__all__ = ["ToolProxyPlugin"]


class ToolProxyPlugin(HasTools):
    """Exposes tools of this node to others, and calls those of other nodes."""

    plugin_name = "tool-proxy"
    extends = ("grants",)
    hookspecs = hookspecs

    def __init__(self) -> None:
        self._slots, self._counts = Slots(), Counts()
        self._runs = False
        self._own: OwnTools | None = None
        self._pins: Pins | None = None

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the table ``tool-proxy``."""
        return [ConfigSection("tool-proxy", ToolProxyConfig)]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Add ``tools`` and ``call``."""
        from clawmatrix_tool_proxy.commands import call_command, tools  # a node does without

        return [tools, call_command]

    @hookimpl
    def register_control_methods(self, node: Node) -> list[ControlMethod]:
        """Add what the commands ask the running node for."""
        return [*ToolMethods(node).all(), *PinMethods(self.pins).all()]

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        """Say which tools are exposed, which run, and how calls ended."""
        return [StatusSection("tools", self._status, _lines), pins_status(lambda: self._pins)]

    @hookimpl
    def register_metrics(self) -> list[Metric]:
        """Count calls."""
        return self._counts.metrics(lambda: self._slots.running)

    @hookimpl
    def register_checks(self, config: Config, node: Node | None) -> list[Check]:
        """Have ``clawmatrix doctor`` look at the roots, at what holds commands, and at pins."""
        from clawmatrix_tool_proxy.command_service import confinement_findings
        from clawmatrix_tool_proxy.file_service import roots_findings
        from clawmatrix_tool_proxy.pinning.checks import pins_check

        return [
            Check("tool-proxy.roots", partial(roots_findings, config)),
            Check("tool-proxy.exec", partial(confinement_findings, config)),
            pins_check(config, None if node is None else self.pins),
        ]

    @hookimpl
    def register_tools(self, node: Node) -> Sequence[Tool]:
        """Add the tools that come with the plugin."""
        if not self._runs:  # `plugins check` asks without a node that runs
            return ()
        own = () if self._own is None else self._own.tools()
        return [peers_tool(node, self._keeper), *own]

    @hookimpl
    def register_tool_shapes(self, node: Node) -> list[ToolShape]:
        """Tell the grants which tools there are."""
        from clawmatrix_tool_proxy.shapes import shapes_at_rest, shapes_of

        if self._runs:
            return shapes_of(self._table, node.config)
        return shapes_at_rest(node.config)

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Collect the tools, and serve them."""
        self._node, self._scope = node, scope
        self._pins = pins_in(node)
        self._table, self._keeper = ToolTable(node.hooks.works), CatalogKeeper(node, scope)
        self._table.open = frozenset({CLUSTER_PEERS})
        self._runs = True
        self._lists = CatalogServer(node, self._table)
        node.when_policy_changes(lambda _: self._policy_changed())
        node.hooks.when_failed(lambda _: self._lists.changed())
        await self._configure_own()
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
            await self._configure_own()
            self._expose()
            self.tools_changed()
            node.policy_changed("the tools that are exposed")

    @hookimpl
    @frame_types(TOOL_REQUEST, TOOL_LIST)
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        """Answer a call, or whoever asks for the list of tools."""
        is_call = frame.header.type == TOOL_REQUEST
        handler = self._server.answer if is_call else self._lists.answer
        return node.accept(frame, handler, self._scope)

    async def list_tools(self, peer: str, patience: float) -> Catalog:
        """See ``clawmatrix_tool_proxy.api.list_tools``."""
        return await self._keeper.ask(peer, patience=patience)

    def when_lists_change(self, call: Callable[[NodeId], None]) -> Callable[[], None]:
        """See ``clawmatrix_tool_proxy.api.when_lists_change``."""
        return self._keeper.when_changed(call)

    def tools_changed(self) -> None:
        """See ``clawmatrix_tool_proxy.api.tools_changed``."""
        self._collect()
        self._lists.changed()

    def pins(self) -> Pins:
        """See ``clawmatrix_tool_proxy.api.pins_of``."""
        if self._pins is None:
            raise ToolFailed("no_tools", "the node has not started", may_have_run=False)
        return self._pins

    def _policy_changed(self) -> None:
        self._lists.changed()
        forget_nodes(self._node, self.pins())  # that a person forgot a node changes the policy

    async def _configure_own(self) -> None:
        """Have the tools that work in roots, from when there are roots on."""
        if self._own is not None:
            await self._own.configure()
        elif self._node.config.section(ToolProxyConfig).roots:
            from clawmatrix_tool_proxy.own_tools import OwnTools  # most nodes do without

            self._own = await self._scope.enter(OwnTools(self._node), name="own tools")

    def _collect(self) -> None:
        hooks = self._node.hooks
        found = hooks.unique(
            "tool", hooks.collect(hookspecs.register_tools, Tool), lambda tool: tool.name
        )
        self._table.put([(plugin, tool) for plugin, tool in found if self._fits(plugin, tool)])

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

    def _expose(self) -> None:
        config = self._node.config.section(ToolProxyConfig)
        self._table.expose(Exposure(config.allow, config.deny))

    def _status(self) -> JSON:
        exposed = self._table.all_exposed(own=False) if self._runs else ()
        return {
            "exposed": [tool.name for tool in exposed],
            "running": dict(self._slots.running),
            "outcomes": dict(self._counts.read()),
        }


def _lines(status: JSON) -> list[str]:
    exposed = status["exposed"]
    return [f"tools: {', '.join(exposed)}"] if exposed else []
