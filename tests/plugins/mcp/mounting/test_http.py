"""Servers at an address."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from clawmatrix_tool_proxy.api import call_tool
from tests.plugins.mcp.mounting.nodes import SDK, mounting, served

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]


@pytest.mark.parametrize("kind", ["stdio", "events", "json"])
async def test_a_server_of_the_official_sdk_answers_another_node(
    node_factory: NodeFactory, kind: str
) -> None:
    with served(*([] if kind == "events" else [kind])) as url:
        command = [sys.executable, SDK, "stdio"]
        table = {"command": command, "confine": False} if kind == "stdio" else {"url": url}
        async with mounting(node_factory, {"sdk": table}) as nodes:
            await nodes.ready("sdk")
            assert nodes.server("sdk").protocol == "2026-07-28"
            result = await nodes.call("sdk_add", a=1)
            assert result["structuredContent"] == {"result": 3}
            print(await nodes.call("sdk_picture"))
            print(await nodes.progress_of("sdk_steps"))
            print(nodes.server("sdk").resources, nodes.server("sdk").prompts)
            async with call_tool(nodes.home, "office", "sdk_wait", {}) as call:
                async for part in call:
                    print(part)
                    break
            print(await nodes.call("sdk_seen"))
