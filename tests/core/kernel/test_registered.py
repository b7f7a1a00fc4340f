"""Tests of what plugins register with a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.metric import Metric, Sample
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import ControlMethod, Offer, StatusSection
from clawmatrix_core.testing.memory import MemoryHub, MemoryTransport
from clawmatrix_core.wire.routes import PathStatus

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

OTHER = NodeId("other")


def alone(
    node_factory: NodeFactory, *plugins: object, watchdog: bool = False, **options: Any
) -> Node:
    """Return a node without links."""
    return node_factory("home", built_in=(), plugins=plugins, watchdog=watchdog, **options)


async def called(params: dict[str, Any]) -> Any:
    return params


def explode() -> Any:
    raise LookupError("nothing to offer")


class Registers:
    hub = MemoryHub()

    @hookimpl
    def register_transports(self) -> list[MemoryTransport]:
        return [MemoryTransport(self.hub)]

    @hookimpl
    def register_control_methods(self) -> list[ControlMethod]:
        return [ControlMethod("x", call=called)]

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        return [StatusSection("x", dict)]

    @hookimpl
    def register_offers(self) -> list[Offer]:
        return [Offer("models", lambda: [{"id": "qwen3"}])]


class RegistersAndFails(Registers):
    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        raise LookupError("no upstream")


class RegistersToo(Registers):
    @hookimpl
    def register_offers(self) -> list[Offer]:
        return [Offer("models", lambda: [{"id": "llama"}]), Offer("agents", explode)]


class RegistersJunk:
    @hookimpl
    def register_transports(self) -> Any:
        return ["tcp"]

    @hookimpl
    def compute_routes(self) -> Any:
        return {"other": "that way"}

    @hookimpl
    async def path_status(self) -> Any:
        return "fine"


async def test_what_plugins_register_is_at_hand(node_factory: NodeFactory) -> None:
    async with alone(node_factory, Registers()) as node:
        assert list(node.transports) == ["memory"]
        assert [method.name for method in node.control_methods()] == ["x"]
        assert [section.name for section in node.status_sections()] == ["x"]
        assert node.offers() == {"models": [{"id": "qwen3"}]}


@pytest.mark.faults_expected
async def test_what_a_failed_plugin_registered_is_gone(node_factory: NodeFactory) -> None:
    async with alone(node_factory, RegistersAndFails()) as node:
        assert node.control_methods() == []
        assert node.status_sections() == []
        assert node.offers() == {}


@pytest.mark.faults_expected
async def test_an_offer_that_raises_is_a_fault_and_the_others_stand(
    node_factory: NodeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    async with alone(node_factory, Registers(), RegistersToo()) as node:
        assert node.offers() == {"models": [{"id": "qwen3"}], "agents": []}
        info = node.plugins.get("RegistersToo")
        assert info is not None
        assert info.last_fault == "offer of agents: LookupError: nothing to offer"
    collision = "address scheme memory: Registers has it, that of RegistersToo is left out"
    assert collision in caplog.text


@pytest.mark.faults_expected
async def test_junk_of_a_plugin_leaves_the_node_up(node_factory: NodeFactory) -> None:
    async with alone(node_factory, RegistersJunk()) as node:
        assert node.transports == {}
        node.compute_routes()
        assert node.routes == {}
        assert await node.path_status(OTHER) == PathStatus("unreachable", reason="no link")
        info = node.plugins.get("RegistersJunk")
        assert info is not None
        assert info.faults == 2
        assert info.state == "active"


class Offers:
    """Offers twenty thousand bytes of each kind."""

    plugin_name = "offers"

    @hookimpl
    def register_offers(self) -> list[Offer]:
        return [Offer(kind, lambda: [{"id": "x" * 20_000}]) for kind in ("a", "b", "c")]


@pytest.mark.faults_expected
async def test_offers_that_do_not_fit_into_a_record_together_are_a_fault_by_name(
    node_factory: NodeFactory,
) -> None:
    async with alone(node_factory, Offers()) as node:
        assert [kind for kind, items in node.offers().items() if items] == ["a", "b"]
        info = node.plugins.get("offers")
        assert info is not None
        assert "offer of c: ValueError: 20011 bytes, and the other offers leave" in str(
            info.last_fault
        )


class NoSchemes(MemoryTransport):
    schemes = None  # type: ignore[assignment]


class RegistersMisnamed:
    @hookimpl
    def register_transports(self) -> Any:
        return [NoSchemes(MemoryHub())]

    @hookimpl
    def register_control_methods(self) -> Any:
        return [ControlMethod(["x"])]  # type: ignore[arg-type]

    @hookimpl
    def register_status(self) -> Any:
        return [StatusSection(["x"], dict)]  # type: ignore[arg-type]

    @hookimpl
    def register_offers(self) -> Any:
        return [Offer({}, list)]  # type: ignore[arg-type]


@pytest.mark.faults_expected
async def test_what_has_no_usable_name_costs_nobody_else_anything(
    node_factory: NodeFactory,
) -> None:
    async with alone(node_factory, RegistersMisnamed(), Registers()) as node:
        assert list(node.transports) == ["memory"]
        assert [method.name for method in node.control_methods()] == ["x"]
        assert [section.name for section in node.status_sections()] == ["x"]
        assert node.offers() == {"models": [{"id": "qwen3"}]}
        info = node.plugins.get("RegistersMisnamed")
        assert info is not None
        assert info.faults == 4


class Measures:
    """A plugin with metrics of which one cannot be read, and one has a name of the core's."""

    plugin_name = "measures"

    @hookimpl
    def register_metrics(self) -> list[Metric]:
        return [
            Metric("own_broken", "gauge", "", explode),
            Metric("own", "gauge", "", lambda: [Sample(1)]),
            Metric("clawmatrix_links", "gauge", "", lambda: [Sample(99)]),
        ]


class MeasuresToo:
    plugin_name = "too"

    @hookimpl
    def register_metrics(self) -> list[Metric]:
        return [Metric("own", "gauge", "", lambda: [Sample(2)])]


class MeasuresAndFails(MeasuresToo):
    plugin_name = "fails"

    @hookimpl
    async def start_plugin(self) -> None:
        raise LookupError("no scales")


def readings(node: Node) -> dict[str, list[Any]]:
    return {metric.name: [one.value for one in samples] for metric, samples in node.metrics()}


@pytest.mark.faults_expected
async def test_a_metric_that_cannot_be_read_is_left_out_and_is_a_fault(
    node_factory: NodeFactory,
) -> None:
    async with alone(node_factory, Measures(), MeasuresToo()) as node:
        found = readings(node)
        assert "own_broken" not in found
        info = node.plugins.get("measures")
        assert info is not None
        assert info.last_fault == "metric own_broken: LookupError: nothing to offer"
        assert found["own"] == [1]
        assert found["clawmatrix_links"] == [0]
        assert info.collisions == (
            "metric clawmatrix_links: core has it, that of measures is left out",
            "metric own: measures has it, that of too is left out",
        )


@pytest.mark.faults_expected
async def test_metrics_of_a_plugin_that_failed_are_gone(node_factory: NodeFactory) -> None:
    async with alone(node_factory, MeasuresAndFails()) as node:
        assert "own" not in readings(node)


async def test_the_core_has_metrics_of_its_own(node_factory: NodeFactory) -> None:
    async with alone(node_factory) as node:
        node.counters.update(b=2, a=1)
        events = next(ones for metric, ones in node.metrics() if "events" in metric.name)
        assert events == (Sample(1, ("a",)), Sample(2, ("b",)))
        assert readings(node) == {
            "clawmatrix_events_total": [1, 2],
            "clawmatrix_links": [0],
            "clawmatrix_nodes_reachable": [0],
            "clawmatrix_exchanges": [0],
        }
