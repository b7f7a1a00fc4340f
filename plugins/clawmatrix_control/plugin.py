"""The plugin: what it registers, and what runs while the node does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio

from clawmatrix_control.kept_socket import KeptSocket
from clawmatrix_control.sections import read_sections, section_lines
from clawmatrix_control.server import ControlServer
from clawmatrix_control.status import OWN_KEYS, NodeFacts, all_offered, peer_json, status_json
from clawmatrix_core import (
    ConfigError,
    ControlMethod,
    ExchangeFailure,
    MemoryState,
    __version__,
    hookimpl,
)
from clawmatrix_core.spi import default_state_dir

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import click

    from clawmatrix_core import JSON, Node, Peer, PluginScope

__all__ = ["ControlPlugin"]

PROBE_LIMIT = 4.0
"""Seconds that confirming paths may take; what is not confirmed by then is shown as it is."""
PROBES = 32


class ControlPlugin:
    """Serves the control socket, and adds status, peers and ping.

    Attributes:
        own_methods: the names of the plugin's own methods, which no other plugin can take.
        methods: every method of the node by name, the plugin's own among them; empty before the
            start.
    """

    own_methods = ("status", "peers", "plugins", "hooks", "reload", "doctor", "ping")

    def __init__(self) -> None:
        self._own: dict[str, ControlMethod] = {}
        self._node: Node | None = None

    @property
    def methods(self) -> dict[str, ControlMethod]:
        """Every method there is now, by name; those of a plugin go when it is taken out."""
        added = () if self._node is None else self._node.control_methods()
        return {**{method.name: method for method in added}, **self._own}

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Add ``status``, ``peers``, ``ping`` and ``reload``."""
        from clawmatrix_control.commands import COMMANDS  # a node that runs does without

        return list(COMMANDS)

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Open the socket, unless the node keeps no folder on disk."""
        self._node = node
        self._own = {method.name: method for method in _Methods(node).all()}
        for name in {*self._own} & {method.name for method in node.control_methods()}:
            node.hooks.collided("control method", name, "control", node.owner_of_method(name) or "")
        for section in node.status_sections():
            if section.name in OWN_KEYS:
                node.hooks.collided("status section", section.name, "control", section.plugin)
        folder = _state_folder(node)
        if folder is None:
            node.logger("control").debug("no control socket: the state is in memory")
            return
        kept = KeptSocket(folder, node.logger("control"))
        await scope.enter(kept, name="control socket")
        server = ControlServer(
            lambda name: self.methods.get(name),
            lambda: self.methods,
            partial(_report, node),
            why=node.plugins.why_absent,
        )
        scope.start_soon(kept.serve, server, name="control socket")


def _report(node: Node, error: Exception, method: str | None) -> None:
    plugin = (method and node.owner_of_method(method)) or "control"
    what = f"control method {method}" if method else "control socket"
    node.hooks.report(plugin, what, error, serving=True)


def _state_folder(node: Node) -> Path | None:
    folder = node.config.state_dir
    in_memory = isinstance(node.state, MemoryState)
    return None if in_memory and folder == default_state_dir(node.id) else folder


class _Methods:
    """The plugin's own methods, over what the node knows."""

    plugin_name = "control"

    def __init__(self, node: Node) -> None:
        self._node = node

    def all(self) -> list[ControlMethod]:
        """Return them by their names, which no other plugin can take."""
        return [
            ControlMethod("status", call=self.status),
            ControlMethod("peers", call=self.peers),
            ControlMethod("plugins", call=self.plugins),
            ControlMethod("hooks", call=self.hooks),
            ControlMethod("reload", call=self.reload),
            ControlMethod("doctor", call=self.doctor),
            ControlMethod("ping", stream=self.ping),
        ]

    async def status(self, params: dict[str, JSON]) -> JSON:
        """Return the whole status; with ``probe`` false, without making sure of paths.

        With ``text`` true it has what ``clawmatrix status`` prints besides: what each node
        offers, of all kinds, and the lines of sections.
        """
        node = self._node
        own = node.directory.get(node.id)
        record = own.record if own is not None else None
        sections = node.status_sections()
        values = await read_sections(sections)
        facts = NodeFacts(
            node.id,
            __version__,
            node.clock.wall() - node.started_at,
            tuple(node.links),
            node.counters,
            tuple(node.plugins.list()),
            len(node.exchanges.live),
        )
        status = status_json(facts, record, node.config.tags, await self.peers(params), values)
        if params.get("text") is True:
            status["offers"] = all_offered(record)
            status["lines"] = section_lines(sections, values)
        return status

    async def peers(self, params: dict[str, JSON]) -> list[JSON]:
        """Return the peers alone; ``params`` are those of ``status``."""
        probe = params.get("probe") is not False
        peers = list(self._node.directory.listed())
        found: dict[str, JSON] = {}
        limiter = anyio.CapacityLimiter(PROBES)
        deadline = anyio.current_time() + (PROBE_LIMIT if probe else 0.0)

        async def look(peer: Peer) -> None:
            async with limiter:
                found[peer.node_id] = await self._peer(peer, deadline)
            if params.get("text") is True:
                found[peer.node_id]["offers"] = all_offered(peer.record)

        async with anyio.create_task_group() as tasks:
            for peer in peers:
                tasks.start_soon(look, peer)
        return [found[peer.node_id] for peer in peers]

    async def plugins(self, _: dict[str, JSON]) -> JSON:
        """Return the plugins of this node with their faults so far."""
        return {"plugins": [info.to_json() for info in self._node.plugins.list()]}

    async def hooks(self, _: dict[str, JSON]) -> JSON:
        """Return every hook with its owner and its implementations."""
        return {"hooks": list(self._node.plugins.hook_list())}

    async def reload(self, _: dict[str, JSON]) -> JSON:
        """Have the node read its configuration file again; return what changed."""
        try:
            changes = await self._node.reload()
        except ConfigError as error:
            told = {"problems": list(error.problems)}
            raise ExchangeFailure("bad_config", str(error), detail=told) from None
        return {
            "path": str(self._node.config.path),
            "reloaded": sorted(changes.reloaded),
            "restart": sorted(changes.restart),
            "faults": list(changes.faults),
        }

    async def doctor(self, _: dict[str, JSON]) -> JSON:
        """Return what the checks of the core and of all plugins found."""
        # Imported here: a node that is never asked does without.
        from clawmatrix_core.spi import examine

        return await examine(self._node)

    def ping(self, params: dict[str, JSON]) -> AsyncIterator[JSON]:
        """Yield what became of each ping."""
        from clawmatrix_control.ping import ping, read_request  # hardly ever needed

        return ping(self._node, read_request(params))

    async def _peer(self, peer: Peer, deadline: float) -> JSON:
        node, name = self._node, peer.node_id
        known = node.trust.how_known(name, peer.record.key_text)
        with anyio.CancelScope(deadline=deadline):
            return peer_json(peer, await node.path_status(name, probe=True), known)
        return peer_json(peer, await node.path_status(name), known)
