"""Who decides on a node that runs: plugins that fail, and tables that come and go by a reload."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.policy.verdict import Verdict
from clawmatrix_core.testing.fixtures import SECRET

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]


class Allows:
    plugin_name = "engine"

    @hookimpl
    async def authorize(self) -> Verdict | None:
        return Verdict("allow")


class DoesNotStart(Allows):
    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        raise LookupError("no rules")


class Undecided:
    """Stands for a plugin ``grants`` that is installed and does not decide."""

    plugin_name = "grants"

    @hookimpl
    async def node_started(self) -> None: ...


async def effect(node: Node) -> str:
    return (await node.authorize("home", bytes(32), "model", "m", {})).effect


async def test_nobody_decides_on_a_node_without_such_a_plugin(node_factory: NodeFactory) -> None:
    async with node_factory("a") as node:
        assert node.authorizers == ()
        assert await effect(node) == "allow"


@pytest.mark.faults_expected
async def test_a_plugin_that_does_not_start_denies_everything(
    node_factory: NodeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    async with node_factory("a", plugins=[DoesNotStart()]) as node:
        assert node.authorizers == ("engine",)
        assert await effect(node) == "deny"
    assert "everything is denied: engine decides, and does not work" in caplog.text


@pytest.mark.faults_expected
async def test_one_that_is_taken_out_while_the_node_runs_denies_from_then_on(
    node_factory: NodeFactory,
) -> None:
    async with node_factory("a", plugins=[Allows()]) as node:
        assert await effect(node) == "allow"
        node.hooks.fail("engine", "taken out by a test")
        assert await effect(node) == "deny"


async def test_a_table_of_grants_counts_from_the_reload_that_brings_it(
    node_factory: NodeFactory,
) -> None:
    without = {"node_id": "a", "secret": SECRET}
    async with node_factory("a", built_in=(), plugins=[Undecided()]) as node:
        assert await effect(node) == "allow"
        await node.reload(Config.from_mapping({**without, "grants": {}}))
        assert list(node.authorizers) == ["grants"]
        assert await effect(node) == "deny"
        await node.reload(Config.from_mapping(without))
        assert not node.authorizers
        assert await effect(node) == "allow"
