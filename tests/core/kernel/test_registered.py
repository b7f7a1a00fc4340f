"""Tests of what plugins register with a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.contributions import ControlMethod, Offer, StatusSection
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


def explode() -> Any:
    raise LookupError("nothing to offer")


class Registers:
    hub = MemoryHub()

    @hookimpl
    def register_transports(self) -> list[MemoryTransport]:
        return [MemoryTransport(self.hub)]

    @hookimpl
    def register_control_methods(self) -> list[ControlMethod]:
        return [ControlMethod("x")]

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
