"""The servers of the configuration, as they run."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_mcp.mounting.definitions import Budget, Taken, take_definitions
from clawmatrix_mcp.mounting.mounted import Mounted
from clawmatrix_mcp.mounting.tools import tool_of
from clawmatrix_tool_proxy.api import ToolFailed, max_output, pins_of, tools_changed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from clawmatrix_core import JSON, Node
    from clawmatrix_mcp.mounting.config import ServerConfig
    from clawmatrix_mcp.mounting.definitions import Definition
    from clawmatrix_tool_proxy.api import Judged, Tool

__all__ = ["Mounts", "pinned_of"]


@attrs.define
class _Server:
    """A server that runs, and what of its list is taken."""

    mounted: Mounted
    gone: anyio.Event = attrs.field(factory=anyio.Event)
    listed: Sequence[JSON] | None = None
    taken: Taken = attrs.field(factory=Taken)
    judged: Judged | None = None

    @property
    def accepted(self) -> list[Definition]:
        """The tools that may be listed and called."""
        if self.judged is None:
            return []
        return [one for one in self.taken.definitions if one.tool in self.judged.accepted]

    @property
    def is_settled(self) -> bool:
        """Whether it is ready, and all of its tools may be listed."""
        waits = self.judged is not None and self.judged.waiting
        return self.mounted.state.word == "ready" and not waits


class Mounts:
    """The servers that are enabled, each in a task of its own; an ``async with`` block.

    Args:
        node: the node.
        servers: returns the tables of the servers by name, as they are now.
    """

    def __init__(self, node: Node, servers: Callable[[], Mapping[str, ServerConfig]]) -> None:
        self._node, self._configured = node, servers
        self._servers: dict[str, _Server] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._pins = pins_of(node)
        self._group = anyio.create_task_group()
        self._forget_pins: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._forget_pins = self._pins.when_changed(self._pins_changed)
        self.configure()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self._forget_pins()
        self._group.cancel_scope.cancel()
        return await self._group.__aexit__(kind, error, trace)

    def get(self, name: str) -> Mounted | None:
        """Return a server that is enabled."""
        found = self._servers.get(name)
        return None if found is None else found.mounted

    def all(self) -> Sequence[Mounted]:
        """Return the servers that are enabled, in the order of the configuration."""
        return [server.mounted for server in self._servers.values()]

    def settled(self) -> Collection[str]:
        """Return the names of the servers that are ready, and of which no tool waits."""
        return [name for name, server in self._servers.items() if server.is_settled]

    def when_changed(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have something called when the state or a list of a server is another.

        Returns what ends that.
        """
        self._callbacks.append(call)
        return lambda: self._callbacks.remove(call) if call in self._callbacks else None

    def configure(self) -> None:
        """Start, end and change servers so that they are those of the configuration."""
        wanted = {name: one for name, one in self._configured().items() if one.enabled}
        before, self._servers = self._servers, {}
        for name, config in wanted.items():
            old = before.pop(name, None)
            if old is not None and old.mounted.config == config:
                self._servers[name] = old
                continue
            self._servers[name] = server = _Server(Mounted(self._node, name, config))
            server.mounted.when_changed(partial(self._look, server))
            self._group.start_soon(self._run, server, old)
            if old is not None:
                old.mounted.end()
        for old in before.values():
            old.mounted.end()
        self._tell()

    def tools(self) -> Sequence[Tool]:
        """Return the tools of all servers, of which a person accepted the definitions."""
        budget, most = Budget(), partial(max_output, self._node)
        return [
            tool_of(server.mounted, one, most)
            for server in self._servers.values()
            for one in server.accepted
            if budget.take(one)
        ]

    def status(self) -> JSON:
        """Return how the servers are."""
        return {name: _status_of(server) for name, server in self._servers.items()}

    async def _run(self, server: _Server, old: _Server | None) -> None:
        try:
            if old is not None:  # two of one name may get in each other's way
                await old.gone.wait()
            await server.mounted.run()
        finally:
            server.gone.set()

    def _look(self, server: _Server) -> None:
        """Take the list of a server as it is now."""
        mounted = server.mounted
        if self._servers.get(mounted.name) is not server:
            return
        if mounted.tools is not server.listed:
            server.listed = mounted.tools
            server.taken = take_definitions(mounted.name, mounted.tools)
            self._judge(server)
        self._tell(tools=False)

    def _judge(self, server: _Server) -> None:
        definitions = pinned_of(server.taken.definitions)
        server.judged = self._pins.judge(server.mounted.owner, definitions)
        self._tell()

    def _pins_changed(self, owner: str) -> None:
        for server in self._servers.values():
            if server.mounted.owner == owner and server.judged is not None:
                self._judge(server)

    def _tell(self, *, tools: bool = True) -> None:
        if tools:
            with suppress(ToolFailed):  # the plugin tool-proxy is gone
                tools_changed(self._node)
        for call in tuple(self._callbacks):
            call()


def pinned_of(definitions: Sequence[Definition]) -> Mapping[str, JSON]:
    """Return what is pinned of tools: all that their server says of each."""
    return {one.tool: dict(one.raw) for one in definitions}


def _status_of(server: _Server) -> JSON:
    mounted = server.mounted
    found: dict[str, JSON] = {
        "state": mounted.state.word,
        "told": mounted.told(),
        "protocol": mounted.protocol,
        "tools": len(server.accepted),
    }
    if server.judged is not None and server.judged.waiting:
        found["waiting"] = dict(server.judged.waiting)
    if server.taken.left_out:
        found["left_out"] = dict(server.taken.left_out)
        found["more_left_out"] = server.taken.more
    return found
