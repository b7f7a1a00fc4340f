"""The example of a mounted server on the page about MCP runs unchanged, and its tables are true."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import attrs
import pytest

import clawmatrix_mcp
from clawmatrix_core.testing.told import ToldConfig
from clawmatrix_mcp.config import McpConfig
from clawmatrix_mcp.mounting.config import ServerConfig
from clawmatrix_mcp.plugin import McpPlugin
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from tests.tools.pages import lay_out

PAGE = Path(str(clawmatrix_mcp.__file__)).parents[2] / "docs" / "mcp.md"


@pytest.fixture
def page() -> str:
    return PAGE.read_text()


def test_the_example_of_a_mounted_server(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(page, tmp_path, monkeypatch)
    [shown] = re.findall(r"<!-- start mounted -->\n```\n\$ (.*\n.*\n)```", page)
    command, output = shown.split("\n", 1)
    ran = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert ran.stdout == output, ran.stderr


def test_the_configuration_of_a_confined_server_is_one(page: str) -> None:
    [shown] = re.findall(r"<!-- start mounted.toml -->\n```toml\n(.*?)```", page, re.DOTALL)
    told = {"node_id": "office", "secret": "s" * 32, **tomllib.loads(shown)}
    config = ToldConfig.from_mapping(told)
    config.bind([*ToolProxyPlugin().register_config(), *McpPlugin().register_config()])
    server = config.section(McpConfig).servers["weather"]
    assert server.confine
    assert server.argv[1].endswith("/weather.py")


def test_the_table_has_each_key_of_the_configuration(page: str) -> None:
    table = page.split("\n## Keys of the configuration\n")[1].split("\n## ")[0]
    keys = [f"[mcp] {one.name}" for one in attrs.fields(McpConfig) if one.name != "servers"]
    keys += [f"[mcp.servers.NAME] {one.name}" for one in attrs.fields(ServerConfig)]
    assert sorted(re.findall(r"(?m)^\| `(\[.+?)` \|", table)) == sorted(keys)
