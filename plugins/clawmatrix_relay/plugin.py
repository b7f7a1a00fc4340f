"""The relay plugin: it finds routes, passes frames on, and says how each node is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Check, ConfigSection, StatusSection, frame_types, hookimpl
from clawmatrix_relay.config import RelayConfig
from clawmatrix_relay.paths import Paths
from clawmatrix_relay.quotas import Quotas
from clawmatrix_relay.reckoning import Reckoning
from clawmatrix_relay.transit import decline, is_from_neighbour, on_undeliverable, pass_on

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import Frame, Node, NodeId, PathStatus, PluginScope, Route, Transit

__all__ = ["RelayPlugin"]


class RelayPlugin:
    """Finds routes, passes frames on, and says how each node is reached."""

    plugin_name = "relay"

    def __init__(self) -> None:
        self._paths: Paths | None = None
        self._quotas: Quotas | None = None
        self._reckoning = Reckoning()

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read ``[relay]``."""
        return [ConfigSection("relay", RelayConfig)]

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Start confirming paths, and say whether others may send through this node."""
        config = node.config.section(RelayConfig)
        self._quotas = Quotas(node, config)
        node.relays = config.transit
        self._paths = Paths(node)
        scope.start_soon(self._paths.run)
        scope.start_soon(self._reckoning.run, node)

    @hookimpl
    async def config_changed(self, node: Node) -> None:
        """Relay more, less, or nothing from now on."""
        config = node.config.section(RelayConfig)
        if self._quotas is not None:
            self._quotas.use(config)
        if node.relays != config.transit:
            node.relays = config.transit
            node.offers_changed()  # the record says so, too

    @hookimpl
    def register_status(self, node: Node) -> list[StatusSection]:
        """Show the routes, and what was relayed."""
        return [StatusSection("relay", lambda: self._status(node))]

    @hookimpl
    def register_checks(self, node: Node | None) -> list[Check]:
        """Look whether relays relay; only a node that runs can."""
        if node is None:
            return []
        from clawmatrix_relay.checks import (
            path_checks,  # a node that is never examined does without
        )

        return path_checks(node, self._reckoning)

    @hookimpl
    def compute_routes(self, node: Node) -> Mapping[NodeId, Route] | None:
        """Take the shortest paths by measured latency."""
        return self._reckoning.compute(node)

    @hookimpl
    def transit_received(self, node: Node, transit: Transit) -> bool | None:
        """Pass a frame on, where this node does that."""
        if node.relays and self._quotas is not None:
            pass_on(node, transit, self._quotas)
        else:
            decline(node, transit)
        return True

    @hookimpl
    @frame_types("undeliverable")
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        """Take or pass back the report of a frame that got no further."""
        if not is_from_neighbour(frame, frame.link):
            return None
        on_undeliverable(node, frame)
        return True

    @hookimpl
    async def routes_changed(self, changed: frozenset[NodeId]) -> None:
        """Forget evidence of paths that are no more."""
        if self._paths is not None:
            self._paths.note_changed_routes(changed)

    @hookimpl
    async def path_status(self, peer: NodeId, probe: bool) -> PathStatus | None:
        """Answer from evidence."""
        if self._paths is None:
            return None
        return await self._paths.status(peer, probe=probe)

    def _status(self, node: Node) -> dict[str, object]:
        return {
            "transit": node.relays,
            "relayed": node.counters["relayed"],
            "dropped": [] if self._quotas is None else self._quotas.dropped(),
            "routes": {
                peer: {"via": route.next_hop, "hops": route.hops, "latencyMs": round(route.cost, 2)}
                for peer, route in sorted(node.routes.items())
            },
        }
