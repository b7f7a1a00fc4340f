"""A node without tools: it imports what serves and asks for them when somebody wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.reaching import call_control, plugin_of, reload
from clawmatrix_grants.plugin import GrantsPlugin
from clawmatrix_tool_proxy.api import ToolFailed, call_tool, list_tools, when_lists_change
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from tests.plugins.tool_proxy.nodes import mesh_of
from tests.plugins.tool_proxy.shop import Notebook

if TYPE_CHECKING:
    from clawmatrix_core import Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio


def tools_of(node: Node) -> ToolProxyPlugin:
    return plugin_of(node, ToolProxyPlugin)


@pytest.mark.both_loops
async def test_a_call_to_a_plain_node_is_denied_and_written_down(
    node_factory: NodeFactory,
) -> None:
    book = Notebook()
    plain = node_factory("plain", plugins=[ToolProxyPlugin(), GrantsPlugin(), book])
    home = node_factory("home", dials=["plain"], plugins=[ToolProxyPlugin(), Notebook()])
    async with plain, home:
        await wait_until(lambda: home.reachable("plain"))
        assert tools_of(plain).service is None
        with pytest.raises(ToolFailed, match="not allowed") as raised:
            async with call_tool(home, "plain", "exec", {"command": "true"}) as call:
                await call.result()
        assert raised.value.code == "not_allowed"
        assert [(one.event, one.target) for one in book.records] == [("denied", "exec")]
        assert tools_of(plain).service is not None
        assert plugin_of(plain, GrantsPlugin).service is None
        assert (await list_tools(home, "plain")).entries == ()


@pytest.mark.both_loops
async def test_a_plain_node_lists_the_tools_of_others_and_hears_of_changes(
    node_factory: NodeFactory,
) -> None:
    mesh = mesh_of(node_factory)
    async with mesh.relay, mesh.office, mesh.home:
        await wait_until(lambda: mesh.home.reachable("office"))
        heard: list[str] = []
        end = when_lists_change(mesh.home, heard.append)
        assert tools_of(mesh.home).service is None
        told = await call_control(mesh.home, "tools.list", {"node": "office", "anyone": True})
        assert "echo" in [tool["name"] for tool in told["tools"]]
        assert heard == ["office"]
        end()
        await reload(mesh.office, {"tool-proxy": {"allow": []}})
        assert heard == ["office"]


@pytest.mark.both_loops
async def test_tables_that_come_with_a_reload_are_served(node_factory: NodeFactory) -> None:
    plugins: list[Any] = [ToolProxyPlugin(), GrantsPlugin()]
    async with node_factory("plain", plugins=plugins) as node:
        assert tools_of(node).service is None
        assert plugin_of(node, GrantsPlugin).service is None
        assert (await call_control(node, "approvals.list"))["approvals"] == []
        await reload(node, {"tool-proxy": {"allow": ["cluster_peers"]}, "grants": {}})
        service = tools_of(node).service
        assert service is not None
        assert [tool.name for tool in service.table.all_exposed(own=False)] == ["cluster_peers"]
        assert (await node.authorize("home", None, "tool", "cluster_peers", {})).effect == "deny"
