"""What the plugins of a node registered, as long as they work."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import attrs

from clawmatrix_core import hookspecs
from clawmatrix_core.base.as_list import as_list
from clawmatrix_core.base.cancellation import stray
from clawmatrix_core.base.faults import Fault
from clawmatrix_core.base.metric import Metric
from clawmatrix_core.loading.contributions import ControlMethod, Offer, StatusSection
from clawmatrix_core.loading.specs import CORE
from clawmatrix_core.members.record import OFFERS_LIMIT, check_offer
from clawmatrix_core.wire.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from clawmatrix_core.base.metric import Sample
    from clawmatrix_core.kernel.node_hooks import NodeHooks
    from clawmatrix_core.kernel.registry import PluginRegistry
    from clawmatrix_core.loading.contributions import JSON

__all__ = ["Contributed", "Registered"]

R = TypeVar("R")


class Registered:
    """Collects once, and leaves out what belongs to a plugin that has failed since.

    Of two plugins that register one name, the one that was loaded first has it while it works.

    Attributes:
        transports: by address scheme; fixed once collected.
        owners: the plugins that have them, by address scheme.
    """

    def __init__(self, plugins: PluginRegistry) -> None:
        self.transports: dict[str, Transport] = {}
        self.owners: dict[str, str] = {}
        self._plugins = plugins
        self._methods: Sequence[tuple[str, ControlMethod]] = ()
        self._sections: Sequence[tuple[str, StatusSection]] = ()
        self._offers: Sequence[tuple[str, Offer]] = ()
        self._metrics: Sequence[tuple[str, Metric]] = ()

    def collect(self, hooks: NodeHooks, own_metrics: Iterable[Metric]) -> None:
        """Ask all plugins. Raises: StartError, where one of them does.

        ``own_metrics`` are the core's; no plugin gets the name of one.
        """
        abstract: type[Transport] = Transport  # type: ignore[type-abstract] # only compared with
        schemes = [
            (plugin, (scheme, transport))
            for plugin, transport in hooks.collect(hookspecs.register_transports, abstract)
            for scheme in self._schemes_of(plugin, transport)
        ]
        kept = hooks.unique("address scheme", schemes, lambda one: one[0])
        self.transports = dict(one for _, one in kept)
        self.owners = {scheme: plugin for plugin, (scheme, _) in kept}
        methods = hooks.collect(hookspecs.register_control_methods, ControlMethod)
        self._methods = [one for one in methods if self._is_callable(*one)]
        sections = hooks.collect(hookspecs.register_status, StatusSection)
        self._sections = [(plugin, self._owned(plugin, section)) for plugin, section in sections]
        self._offers = hooks.collect(hookspecs.register_offers, Offer)
        added = hooks.collect(hookspecs.register_metrics, Metric)
        self._metrics = [*((CORE, metric) for metric in own_metrics), *added]

    def _is_callable(self, plugin: str, method: ControlMethod) -> bool:
        right = callable(method.call) != callable(method.stream)
        if not right:
            error = TypeError("needs a function as its call or its stream, and not both")
            self._plugins.on_fault(Fault(plugin, f"control method {method.name}", error))
        return right

    def _owned(self, plugin: str, section: StatusSection) -> StatusSection:
        def on_fault(error: Exception) -> None:
            what = f"status section {section.name}"
            self._plugins.on_fault(Fault(plugin, what, error, serving=True))

        return attrs.evolve(section, plugin=plugin, on_fault=on_fault)

    def _schemes_of(self, plugin: str, transport: Transport) -> Sequence[str]:
        try:
            schemes: object = transport.schemes
            if not isinstance(schemes, (tuple, list)):
                raise TypeError(f"schemes is a {type(schemes).__name__}, not a tuple")
        except Exception as error:  # noqa: BLE001 - it may be computed by the plugin
            self._plugins.on_fault(Fault(plugin, "address scheme", error))
            return ()
        return schemes

    def control_methods(self) -> Sequence[ControlMethod]:
        """Return the control methods of plugins that work."""
        return self._working("control method", self._methods, lambda one: one.name)

    def owner_of(self, method: str) -> str | None:
        """Return the plugin that has a control method, None where no plugin that works has it."""
        working = [one for one in self._methods if self._plugins.works(one[0])]
        return next((plugin for plugin, one in working if one.name == method), None)

    def status_sections(self) -> Sequence[StatusSection]:
        """Return the status sections of plugins that work."""
        return self._working("status section", self._sections, lambda one: one.name)

    def offers(self) -> dict[str, list[dict[str, JSON]]]:
        """Return what plugins that work offer, by kind. One that raises offers nothing."""
        found: dict[str, list[dict[str, JSON]]] = {}
        left = OFFERS_LIMIT
        working = [one for one in self._offers if self._plugins.works(one[0])]
        for plugin, offer in self._plugins.unique("offer", working, lambda one: one.kind):
            found[offer.kind] = []
            try:
                items = as_list(offer.read())
                left -= check_offer(items, left)
                found[offer.kind] = items
            except BaseException as error:  # the record must be written all the same
                if (fault := stray(error, called=True)) is None:
                    raise
                self._plugins.on_fault(Fault(plugin, f"offer of {offer.kind}", fault))
        return found

    def metrics(self) -> Sequence[tuple[Metric, Sequence[Sample]]]:
        """Return what the metrics of plugins that work read now, and the core's after them.

        A metric that cannot be read is a fault of its plugin, and left out.
        """
        working = [one for one in self._metrics if one[0] == CORE or self._plugins.works(one[0])]
        kept = self._plugins.unique("metric", working, lambda one: one.name)
        found: list[tuple[Metric, Sequence[Sample]]] = []
        for plugin, metric in sorted(kept, key=lambda one: one[0] == CORE):
            try:
                found.append((metric, metric.samples()))
            except BaseException as error:  # the others are read all the same
                if (fault := stray(error, called=True)) is None:
                    raise
                self._plugins.on_fault(Fault(plugin, f"metric {metric.name}", fault, serving=True))
        return found

    def _working(
        self, what: str, collected: Sequence[tuple[str, R]], name_of: Callable[[R], str]
    ) -> Sequence[R]:
        working = [one for one in collected if self._plugins.works(one[0])]
        return [value for _, value in self._plugins.unique(what, working, name_of)]


class Contributed:
    """What a node tells of that which its plugins registered; nothing before it is entered."""

    _registered: Registered

    @property
    def transports(self) -> Mapping[str, Transport]:
        """What dials and listens, by address scheme."""
        return self._registered.transports

    def owner_of_scheme(self, scheme: str) -> str | None:
        """Return the plugin whose transport serves an address scheme, None where there is none."""
        return self._registered.owners.get(scheme)

    def control_methods(self) -> Sequence[ControlMethod]:
        """Return the methods that plugins added to the control socket."""
        return self._registered.control_methods()

    def owner_of_method(self, name: str) -> str | None:
        """Return the plugin whose control method has a name, None where there is none."""
        return self._registered.owner_of(name)

    def status_sections(self) -> Sequence[StatusSection]:
        """Return the sections that plugins added to the status."""
        return self._registered.status_sections()

    def metrics(self) -> Sequence[tuple[Metric, Sequence[Sample]]]:
        """Return what all metrics read now, those of plugins and the core's own."""
        return self._registered.metrics()

    def offers(self) -> dict[str, list[dict[str, JSON]]]:
        """Return what this node offers to every member, by kind."""
        return self._registered.offers()
