"""What the plugins of a node registered, as long as they work."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from clawmatrix_core import hookspecs
from clawmatrix_core.base.faults import Fault
from clawmatrix_core.kernel.contributions import ControlMethod, HttpRoute, Offer, StatusSection
from clawmatrix_core.members.record import check_offer
from clawmatrix_core.wire.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core.kernel.contributions import JSON
    from clawmatrix_core.kernel.node_hooks import NodeHooks
    from clawmatrix_core.kernel.registry import PluginRegistry

__all__ = ["Registered"]

R = TypeVar("R")

_log = logging.getLogger("clawmatrix.plugins")


class Registered:
    """Collects once, and leaves out what belongs to a plugin that has failed since.

    Attributes:
        transports: by address scheme; fixed once collected.
    """

    def __init__(self, plugins: PluginRegistry) -> None:
        self.transports: dict[str, Transport] = {}
        self._plugins = plugins
        self._http_routes: Sequence[tuple[str, HttpRoute]] = ()
        self._control_methods: Sequence[tuple[str, ControlMethod]] = ()
        self._status_sections: Sequence[tuple[str, StatusSection]] = ()
        self._offers: Sequence[tuple[str, Offer]] = ()

    def collect(self, hooks: NodeHooks) -> None:
        """Ask all plugins. Raises: StartError, where one of them does."""
        collect = hooks.collect
        abstract: type[Transport] = Transport  # type: ignore[type-abstract] # only compared with
        for plugin, transport in collect(hookspecs.register_transports, abstract):
            self._add_transport(plugin, transport)
        self._http_routes = collect(hookspecs.register_http_routes, HttpRoute)
        self._control_methods = collect(hookspecs.register_control_methods, ControlMethod)
        self._status_sections = collect(hookspecs.register_status, StatusSection)
        self._offers = collect(hookspecs.register_offers, Offer)

    def _add_transport(self, plugin: str, transport: Transport) -> None:
        for scheme in transport.schemes:
            if self.transports.setdefault(scheme, transport) is not transport:
                _log.warning("plugin %s: there is a transport for %s already", plugin, scheme)

    def http_routes(self) -> Sequence[HttpRoute]:
        """Return the routes of plugins that work."""
        return self._working(self._http_routes)

    def control_methods(self) -> Sequence[ControlMethod]:
        """Return the control methods of plugins that work."""
        return self._working(self._control_methods)

    def status_sections(self) -> Sequence[StatusSection]:
        """Return the status sections of plugins that work."""
        return self._working(self._status_sections)

    def offers(self) -> dict[str, list[dict[str, JSON]]]:
        """Return what plugins that work offer, by kind. One that raises offers nothing."""
        found: dict[str, list[dict[str, JSON]]] = {}
        for plugin, offer in self._offers:
            if self._works(plugin):
                listed = found.setdefault(offer.kind, [])
                try:
                    items = list(offer.read())
                    check_offer(items)
                    listed += items
                except Exception as error:  # noqa: BLE001 - the record must be written all the same
                    self._plugins.on_fault(Fault(plugin, f"offer of {offer.kind}", error))
        return found

    def _working(self, collected: Sequence[tuple[str, R]]) -> Sequence[R]:
        return [value for plugin, value in collected if self._works(plugin)]

    def _works(self, plugin: str) -> bool:
        info = self._plugins.get(plugin)
        return info is not None and info.state == "active"
