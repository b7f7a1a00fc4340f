"""Tools of mounted servers, called from another node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_tool_proxy.api import list_tools
from tests.plugins.mcp.mounting.nodes import mounting, plain, value_of

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]


@pytest.mark.both_loops
async def test_a_tool_of_a_stdio_server_answers_another_node(node_factory: NodeFactory) -> None:
    async with mounting(node_factory, {"plain": plain()}) as nodes:
        await nodes.ready("plain")
        result = await nodes.call("plain_echo", value=[1, None, {"a": None}])
        assert value_of(result) == [1, None, {"a": None}]
        assert result["structuredContent"] == {"value": [1, None, {"a": None}]}
        told = await list_tools(nodes.home, "office")
        (echo,) = [entry for entry in told.entries if entry.name == "plain_echo"]
        assert echo.description == "Give back what comes."
        assert echo.hints["readOnly"] is True
        assert echo.hints["mcp"]["title"] == "Echo"
