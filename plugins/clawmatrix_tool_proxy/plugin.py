"""The plugin: what it registers, and when its parts come together."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from clawmatrix_core import (
    Check,
    ConfigSection,
    ControlMethod,
    StatusSection,
    frame_types,
    hookimpl,
)
from clawmatrix_tool_proxy import hookspecs
from clawmatrix_tool_proxy.asking.failures import ToolFailed
from clawmatrix_tool_proxy.counts import Counts
from clawmatrix_tool_proxy.frame_types import TOOL_LIST, TOOL_REQUEST
from clawmatrix_tool_proxy.registry import HasTools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import click

    from clawmatrix_core import (
        JSON,
        Beside,
        Config,
        Exchange,
        Frame,
        Metric,
        Node,
        NodeId,
        PluginScope,
    )
    from clawmatrix_grants.api import ToolShape
    from clawmatrix_tool_proxy.api import Catalog, Tool
    from clawmatrix_tool_proxy.config import ToolProxyConfig
    from clawmatrix_tool_proxy.pinning.pins import Pins
    from clawmatrix_tool_proxy.service import ToolService

__all__ = ["ToolProxyPlugin"]


class ToolProxyPlugin(HasTools):
    """Exposes tools of this node to others, and calls those of other nodes.

    Attributes:
        service: what does so; None as long as no plugin has tools of its own, the configuration
            has no table, and nobody has asked.
    """

    plugin_name = "tool-proxy"
    extends = ("grants",)
    hookspecs = hookspecs

    def __init__(self) -> None:
        self.service: ToolService | None = None
        self._making = anyio.Lock()
        self._scope: PluginScope | None = None
        self._counts = Counts()
        self._tools: Callable[[], Sequence[Tool]] | None = None
        self._callbacks: list[Callable[[NodeId], None]] = []
        self._pins: Pins | None = None

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the table ``tool-proxy``."""
        table = "clawmatrix_tool_proxy.config:ToolProxyConfig"
        return [ConfigSection("tool-proxy", table, warn=_warn)]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Add ``tools`` and ``call``."""
        from clawmatrix_tool_proxy.commands import call_command, tools  # a node does without

        return [tools, call_command]

    @hookimpl
    def register_control_methods(self, node: Node) -> list[ControlMethod]:
        """Add what the commands ask the running node for."""
        return ControlMethod.later(partial(self._methods, node), _CALLS, _STREAMS)

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        """Say which tools are exposed, which run, and how calls ended."""
        waits = StatusSection("pins", self._waiting, _pin_lines, "yellow")
        return [StatusSection("tools", self._status, _lines), waits]

    @hookimpl
    def register_metrics(self) -> list[Metric]:
        """Count calls."""
        return self._counts.metrics(self._running)

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
        # `plugins check` asks without a node that runs.
        return () if self._tools is None else self._tools()

    @hookimpl
    def register_tool_shapes(self, node: Node) -> list[ToolShape]:
        """Tell the grants which tools there are."""
        from clawmatrix_tool_proxy.shapes import shapes_at_rest, shapes_of, shapes_unserved

        if self.service is not None:
            return shapes_of(self.service.table, node.config)
        if self._scope is not None:
            return shapes_unserved(node, self._scope)
        return shapes_at_rest(node.config)

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Collect the tools and serve them, where there are any."""
        self._node, self._scope = node, scope
        has_tools = bool(node.hooks.collect(hookspecs.register_tools, object))
        if has_tools or node.config.has_table("tool-proxy"):
            await self._serve()

    @hookimpl
    async def config_changed(self, node: Node, changed: frozenset[str]) -> None:
        """Expose other tools."""
        if any(key.startswith("tool-proxy.") for key in changed):
            service = await self._serve()
            await service.configure()
            service.collect()
            node.policy_changed("the tools that are exposed")

    @hookimpl
    @frame_types(TOOL_REQUEST, TOOL_LIST)
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        """Answer a call, or whoever asks for the list of tools."""
        assert self._scope is not None
        is_call = frame.header.type == TOOL_REQUEST
        return node.accept(frame, self._answer if is_call else self._answer_list, self._scope)

    async def list_tools(self, peer: str, patience: float) -> Catalog:
        """See ``clawmatrix_tool_proxy.api.list_tools``."""
        return await (await self._serve()).keeper.ask(peer, patience=patience)

    def when_lists_change(self, call: Callable[[NodeId], None]) -> Callable[[], None]:
        """See ``clawmatrix_tool_proxy.api.when_lists_change``."""
        self._callbacks.append(call)
        return lambda: self._callbacks.remove(call) if call in self._callbacks else None

    def tools_changed(self) -> None:
        """See ``clawmatrix_tool_proxy.api.tools_changed``."""
        if self.service is not None:
            self.service.collect()

    def pins(self) -> Pins:
        """See ``clawmatrix_tool_proxy.api.pins_of``."""
        if self._scope is None:
            raise ToolFailed("no_tools", "this node has not started yet", may_have_run=False)
        if self._pins is None:
            from clawmatrix_tool_proxy.pinning.part import pins_in  # most nodes do without

            self._pins = pins_in(self._node)
        return self._pins

    async def _serve(self) -> ToolService:
        """Return the service, which is imported and started when it is first wanted.

        Raises: ToolFailed, before the plugin has started.
        """
        if self._scope is None:
            raise ToolFailed("no_tools", "this node has not started yet", may_have_run=False)
        async with self._making:
            if self.service is None:
                # The other tasks go on while a node that runs imports it.
                imported = f"{__package__}.service" in sys.modules
                load = _service_class
                make = load() if imported else await anyio.to_thread.run_sync(load)
                service = make(self._node, self._scope, self._counts.count)
                self._tools = service.tools
                await service.start()
                service.keeper.when_changed(self._tell)
                self.service = service
        return self.service

    async def _answer(self, ex: Exchange) -> None:
        await (self.service or await self._serve()).answer(ex)

    async def _answer_list(self, ex: Exchange) -> None:
        await (self.service or await self._serve()).lists.answer(ex)

    def _tell(self, peer: NodeId) -> None:
        for call in tuple(self._callbacks):
            call(peer)

    async def _methods(self, node: Node) -> Sequence[ControlMethod]:
        make = await anyio.to_thread.run_sync(_methods_maker)
        return make(node, self.pins)

    def _waiting(self) -> JSON:
        if self._pins is None:
            return {"waiting": [], "lost": False}
        from clawmatrix_tool_proxy.pinning.methods import waiting_told

        return {"waiting": waiting_told(self._pins), "lost": self._pins.table.lost}

    def _running(self) -> Mapping[str, int]:
        return {} if self.service is None else self.service.slots.running

    def _status(self) -> JSON:
        exposed = () if self.service is None else self.service.table.all_exposed(own=False)
        return {
            "exposed": [tool.name for tool in exposed],
            "running": dict(self._running()),
            "outcomes": dict(self._counts.read()),
        }


_CALLS: Final = ("tools.list", "tools.pins", "tools.accept", "tools.unpin")
_STREAMS: Final = ("tools.call", "tools.waiting")


def _warn(table: ToolProxyConfig, beside: Beside) -> Iterator[tuple[tuple[str, ...], str]]:
    from clawmatrix_tool_proxy.hints import warn_of_tools  # a node that runs does without

    return warn_of_tools(table, beside)


# Most nodes do without what these import.


def _service_class() -> type[ToolService]:
    from clawmatrix_tool_proxy.service import ToolService

    return ToolService


def _methods_maker() -> Callable[[Node, Callable[[], Pins]], list[ControlMethod]]:
    from clawmatrix_tool_proxy.methods import ToolMethods
    from clawmatrix_tool_proxy.pinning.methods import PinMethods

    return lambda node, pins: [*ToolMethods(node).all(), *PinMethods(pins).all()]


def _pin_lines(status: JSON) -> list[str]:
    from clawmatrix_tool_proxy.pinning.words import status_lines

    return list(status_lines(status["waiting"], lost=status["lost"]))


def _lines(status: JSON) -> list[str]:
    exposed = status["exposed"]
    return [f"tools: {', '.join(exposed)}"] if exposed else []
