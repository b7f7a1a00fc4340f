"""The SDK is imported when a server is mounted, and not before."""

from __future__ import annotations

import subprocess
import sys

NODE = """
import sys, anyio
from clawmatrix_core import Config, Node
from clawmatrix_core.testing.fixtures import MemoryState
from clawmatrix_mcp.plugin import McpPlugin

async def main():
    config = Config.from_mapping({"node_id": "office", "secret": "s" * 32, "mcp": {}})
    async with Node(config, plugins=["tool-proxy", "grants", McpPlugin()], state=MemoryState()) as node:
        states = {one.name: one.state for one in node.plugins.list()}
        assert states["mcp"] == "active"
anyio.run(main)
print([name for name in ("mcp", "pydantic", "httpx2", "jsonschema") if name in sys.modules])
"""


def test_a_node_without_servers_imports_no_sdk() -> None:
    command = [sys.executable, "-W", "error", "-c", NODE]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
