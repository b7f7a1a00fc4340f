"""Many nodes with a few tools each, in one process, for the list of ``bench_mcp``.

``python -m tests.benchmarks.mcp_nodes ADDRESS NODES TOOLS`` runs them until it is ended.
"""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from functools import partial

import anyio

from clawmatrix_core import Config, Node, NodeId, Verdict, hookimpl
from clawmatrix_core.testing.fixtures import MemoryState, wait_until
from clawmatrix_tool_proxy.api import Tool, ToolCall, tool
from tests.benchmarks.mesh import SECRET

__all__ = ["tools_of"]


async def work(call: ToolCall, first: str, second: int = 3, third: bool = False) -> str:
    """Do what a tool does, and say that it is done.

    Args:
        first: the name of what it is done with.
        second: how often it is done.
        third: whether more is told.
    """
    return first * second if third else first


def tools_of(count: int) -> list[Tool]:
    """Return so many tools."""
    return [tool(work, name=f"work{number}") for number in range(count)]


class Works:
    """Brings the tools, and lets everybody call them."""

    plugin_name = "works"
    extends = ("tool-proxy",)

    def __init__(self, count: int) -> None:
        self._count = count

    @hookimpl
    def register_tools(self) -> list[Tool]:
        """Return the tools."""
        return tools_of(self._count)

    @hookimpl
    async def authorize(self, action: str) -> Verdict | None:
        """Allow each tool."""
        return Verdict("allow", rule="a benchmark") if action == "tool" else None


async def _serve(address: str, nodes: int, count: int) -> None:
    async with AsyncExitStack() as stack:
        for number in range(nodes):
            table = {
                "node_id": f"node{number:02}",
                "secret": SECRET,
                "mesh": {"peers": [address]},
                "tool-proxy": {"allow": ["*"]},
            }
            plugins = ["mesh", "tool-proxy", Works(count)]
            node = Node(Config.from_mapping(table), plugins=plugins, state=MemoryState())
            await stack.enter_async_context(node)
            await wait_until(partial(node.reachable, NodeId("home")), limit=60)
        print("all are up", flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(_serve, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
