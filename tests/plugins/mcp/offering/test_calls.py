"""MCP clients of both eras list and call tools that are two hops away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from tests.plugins.mcp.offering.nodes import ERAS, Era, client_of, mesh, text_of

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("era", ERAS)
async def test_a_tool_two_hops_away_is_listed_and_called(
    node_factory: NodeFactory, era: Era
) -> None:
    async with mesh(node_factory) as found, client_of(found.home, era) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert names[0] == "cluster_peers"
        assert "office__echo" in names
        result = await client.call_tool("office__echo", {"value": {"a": None}, "n": 7})
        assert result.structured_content == {"a": None}
        assert text_of(result) == '{"a":null}'
        assert not result.is_error
        assert found.shop.began == [7]
        assert found.served.told() == [("begin", "echo", None), ("end", "echo", "success")]
        assert found.asked.told() == found.served.told()
