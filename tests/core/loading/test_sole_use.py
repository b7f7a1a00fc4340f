"""One plugin object and several nodes."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio


class Counts:
    def __init__(self) -> None:
        self.started: list[str] = []

    @hookimpl
    async def node_started(self, node: Node) -> None:
        self.started.append(node.id)


@pytest.mark.faults_expected
async def test_the_second_node_goes_on_without_it_and_names_both(node_factory: NodeFactory) -> None:
    plugin = Counts()
    async with node_factory("a", plugins=[plugin]), node_factory("b", plugins=[plugin]) as b:
        info = b.plugins.get("Counts")
        assert info is not None
        assert (info.state, info.reason) == (
            "failed",
            "its object is a plugin of the node a already; give each node its own,"
            " or the class Counts",
        )
    assert plugin.started == ["a"]


@pytest.mark.faults_expected
async def test_two_nodes_of_one_name_are_two(node_factory: NodeFactory) -> None:
    plugin = Counts()
    one, two = (node_factory("a", built_in=(), plugins=[plugin]) for _ in range(2))
    async with one, two:
        assert [node.plugins.get("Counts").state for node in (one, two)] == ["active", "failed"]  # type: ignore[union-attr] # it was passed in


async def test_a_node_that_has_ended_leaves_it_to_the_next(node_factory: NodeFactory) -> None:
    plugin = Counts()
    for name in ("a", "b"):
        async with node_factory(name, plugins=[plugin]):
            pass
    assert plugin.started == ["a", "b"]


async def test_a_class_and_a_module_serve_several_nodes(node_factory: NodeFactory) -> None:
    module = types.ModuleType("birds")
    plugins = [Counts, module]
    async with node_factory("a", plugins=plugins), node_factory("b", plugins=plugins) as b:
        assert [info.state for info in b.plugins.list()[-2:]] == ["active", "active"]
