"""What is said of a server's table that cannot be right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import Config, ConfigError, ConfigSection
from clawmatrix_mcp.config import McpConfig

if TYPE_CHECKING:
    from pathlib import Path


def read(servers: object) -> McpConfig:
    """Return the table ``mcp`` with these servers."""
    told = {"node_id": "a", "secret": "s" * 32, "mcp": {"servers": servers}}
    config = Config.from_mapping(told)
    config.bind([ConfigSection("mcp", McpConfig)])
    return config.section(McpConfig)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "mcp.servers.fs: needs either command or url"),
        ({"command": "a", "url": "http://b"}, "mcp.servers.fs: needs either command or url"),
        ({"command": ""}, "mcp.servers.fs.command: is empty"),
        ({"command": []}, "mcp.servers.fs.command: is empty"),
        ({"command": ["a\0b"]}, "mcp.servers.fs.command: has NUL in it"),
        ({"url": "ftp://b"}, "mcp.servers.fs.url: must be a URL like"),
        ({"url": "http://u:p@b"}, "mcp.servers.fs.url: must hold no user and password"),
        ({"url": "http://b", "args": ["a"]}, "mcp.servers.fs.args: is for a server with a command"),
        ({"url": "http://b", "headers": {"a b": "c"}}, "mcp.servers.fs.headers: has 'a b'"),
        ({"url": "http://b", "headers": {"Host": "c"}}, "mcp.servers.fs.headers: has 'Host'"),
        ({"url": "http://b", "headers": {"X": "a\nb"}}, "mcp.servers.fs.headers: X must be"),
        ({"command": "a", "headers": {"X": "b"}}, "mcp.servers.fs.headers: is for a server with a"),
        ({"command": "a", "cwd": "/tmp"}, "mcp.servers.fs.cwd: is for confine = false"),
        ({"command": "a", "confine": False, "root": "w"}, "mcp.servers.fs.root: is for a confined"),
        ({"command": "a", "env": {"A B": "c"}}, "mcp.servers.fs.env: has 'A B'"),
        ({"command": "a", "env": {"A": "env:NO_SUCH"}}, "variable NO_SUCH is not set"),
        ({"command": "a", "timeout": 0}, "mcp.servers.fs.timeout: must be more than 0"),
        ({"command": "a", "comand": "b"}, 'mcp.servers.fs.comand: unknown key (did you mean "comm'),
    ],
)
def test_a_mistake_is_named_with_its_place(table: object, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read({"fs": table})
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["a_b", "", "x" * 21, "ü", "cluster", "a.b"])
def test_a_server_has_a_name_that_tools_can_begin_with(name: str) -> None:
    with pytest.raises(ConfigError, match=r"mcp\.servers: has"):
        read({name: {"command": "a"}})


def test_values_come_from_the_environment_and_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN", "from-the-environment")
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")
    secret.chmod(0o600)
    env = {"A": "env:A_TOKEN", "B": f"file:{secret}", "C": "plain"}
    found = read({"fs": {"command": "x", "args": ["y"], "env": env}}).servers["fs"]
    assert found.argv == ("x", "y")
    assert found.env == {"A": "from-the-environment", "B": "from-a-file", "C": "plain"}
    assert "from" not in repr(found)
