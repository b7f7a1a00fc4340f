"""A node with tools for MCP clients two hops away: ``python oracle_node.py CONFIG NOTES``.

What becomes of calls is written into the file ``NOTES``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

import clawmatrix_core as core
from clawmatrix_tool_proxy.api import Tool, ToolCall, tool

NOTES = Path(sys.argv[2])


def note(words: str) -> None:
    with NOTES.open("a") as file:
        file.write(f"{words}\n")


@tool(hints={"readOnly": True})
def oracle() -> str:
    """Say the secret word."""
    note("oracle asked")
    return "the secret word is ibis"


@tool
async def count(call: ToolCall, to: int) -> dict[str, int]:
    """Count.

    Args:
        to: how far.
    """
    for number in range(1, to + 1):
        await call.progress(f"at {number}", done=number, total=to)
        await anyio.sleep(0.01)
    return {"counted": to}


@tool
async def wait(call: ToolCall) -> None:
    """Wait until the call is cancelled."""
    note("wait begun")
    await call.progress("waiting", done=1, total=2)
    try:
        await anyio.sleep_forever()
    finally:
        note("wait ended")


class OraclePlugin:
    """Brings the tools."""

    plugin_name, extends = "oracle", ("tool-proxy",)

    @core.hookimpl
    def register_tools(self) -> list[Tool]:
        """Return the tools."""
        return [oracle, count, wait]


async def main() -> None:
    """Run the node until its input closes."""
    config = core.Config.load(Path(sys.argv[1]))
    plugins = [*(config.plugins or ()), OraclePlugin()]
    async with core.Node(config, plugins=plugins):
        await anyio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    anyio.run(main)
