"""The SDK is imported when a server is mounted, and not before."""

from __future__ import annotations

import subprocess
import sys

import pytest

NODE = """
import sys, anyio
from clawmatrix_core import Config, Node
from clawmatrix_core.testing.fixtures import MemoryState
from clawmatrix_mcp.plugin import McpPlugin

async def main():
    config = Config.from_mapping({"node_id": "office", "secret": "s" * 32, **eval(sys.argv[1])})
    plugins = ["tool-proxy", "grants", McpPlugin()]
    async with Node(config, plugins=plugins, state=MemoryState()) as node:
        states = {one.name: one.state for one in node.plugins.list()}
        assert states["mcp"] == "active"
anyio.run(main)
heavy = ("mcp", "pydantic", "httpx2", "jsonschema", "clawmatrix_tool_proxy.service")
print([name for name in heavy if name in sys.modules])
print(sorted(name for name in sys.modules if name.startswith("clawmatrix_mcp.")))
"""


LIGHT = [
    "clawmatrix_mcp.mounting",
    "clawmatrix_mcp.mounting.part",
    "clawmatrix_mcp.mounting.status",
    "clawmatrix_mcp.offering",
    "clawmatrix_mcp.offering.offering",
    "clawmatrix_mcp.offering.refusing",
    "clawmatrix_mcp.resources",
    "clawmatrix_mcp.resources.frame_types",
    "clawmatrix_mcp.resources.part",
]


@pytest.mark.parametrize("table", ["{}", "{'mcp': {}}"])
def test_a_node_without_servers_imports_no_sdk(table: str) -> None:
    command = [sys.executable, "-W", "error", "-c", NODE, table]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    heavy, own = ran.stdout.splitlines()
    assert heavy == "[]"
    if table == "{}":
        assert own == str(sorted([*LIGHT, "clawmatrix_mcp.plugin"]))
