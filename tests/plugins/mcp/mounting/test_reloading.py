"""Servers that are started, ended and changed while the node runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.testing.fixtures import wait_until
from tests.plugins.mcp.mounting.nodes import mounting, plain, running, value_of

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.mcp.mounting.nodes import Mounting

pytestmark = [pytest.mark.anyio]


async def pid_of(nodes: Mounting, name: str) -> int:
    """Return the process of a server."""
    return int(value_of(await nodes.call(f"{name}_environment"))["pid"])


async def test_only_what_changed_is_started_and_ended(node_factory: NodeFactory) -> None:
    servers = {"stays": plain(), "goes": plain(), "changes": plain()}
    async with mounting(node_factory, servers) as nodes:
        await nodes.ready(*servers)
        stays, goes, changes = [await pid_of(nodes, name) for name in servers]
        changed = plain(env={"LEVEL": "2"})
        await nodes.reload({"stays": plain(), "changes": changed, "comes": plain()})
        await nodes.ready("stays", "changes", "comes")
        await wait_until(lambda: not running(goes) and not running(changes))
        assert await pid_of(nodes, "stays") == stays
        assert value_of(await nodes.call("changes_environment"))["env"]["LEVEL"] == "2"
        assert await nodes.code_of("goes_echo") == "not_allowed"
        assert nodes.mounts.get("goes") is None


async def test_a_server_that_is_not_enabled_does_not_run(node_factory: NodeFactory) -> None:
    async with mounting(node_factory, {"plain": plain()}) as nodes:
        await nodes.ready("plain")
        pid = await pid_of(nodes, "plain")
        await nodes.reload({"plain": plain(enabled=False)})
        await wait_until(lambda: not running(pid))
        assert nodes.mounts.all() == []
        await nodes.reload({"plain": plain()})
        await nodes.ready("plain")
        assert await pid_of(nodes, "plain") != pid


async def test_the_first_server_may_come_while_the_node_runs(node_factory: NodeFactory) -> None:
    async with mounting(node_factory, {}) as nodes:
        assert nodes.plugin.mounting.mounts is None
        await nodes.reload({"plain": plain()})
        await nodes.ready("plain")
        assert value_of(await nodes.call("plain_echo", value=1)) == 1
