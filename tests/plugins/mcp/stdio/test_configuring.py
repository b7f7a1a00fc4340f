"""``clawmatrix mcp config`` prints what the documentation shows, and never the token."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.cli import execute
from clawmatrix_mcp.commands import configuring
from clawmatrix_mcp.commands.snippets import CLIENTS, VARIABLE, Way

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = Path(__file__).parents[4] / "docs" / "mcp.md"
BLOCK = re.compile(
    r"<!-- start ([\w-]+)((?: --stdio)?) -->\n```(\w+)\n(.*?)```\n<!-- end \1\2 -->", re.S
)
ENV = {"baseUrl": "http://127.0.0.1:19100/v1", "token": "cmx-the-token-of-the-node"}
COMMAND = ["/home/me/.venv/bin/clawmatrix", "mcp", "-c", "/home/me/clawmatrix.toml"]
SHOWN = [
    pytest.param(*found, id=f"{found[0]}{found[1]}")
    for found in BLOCK.findall(PAGE.read_text())
    if found[0] in CLIENTS
]


@pytest.fixture(autouse=True)
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have a node answer at the control socket, and a configuration here."""

    def call(file: Path, method: str, **more: Any) -> Mapping[str, str]:
        assert method == "http.env"
        return ENV

    monkeypatch.setattr(configuring, "call", call)
    (tmp_path / "clawmatrix.toml").write_text('node_id = "home"\n')
    monkeypatch.chdir(tmp_path)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert execute(["mcp", "config", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("client", "way", "language", "text"), SHOWN)
def test_the_documentation_shows_what_is_printed(
    client: str,
    way: str,
    language: str,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(configuring, "_command", lambda file: COMMAND)
    assert printed(capsys, client, *way.split()) == text
    found = json.loads(printed(capsys, client, *way.split(), "--json"))
    assert (found["text"], found["language"], found["client"]) == (text, language, client)
    assert f"`{found['file']}`" in section(CLIENTS[client].title)


def test_each_client_has_its_section() -> None:
    clients = PAGE.read_text().partition("\n## Clients\n")[2].partition("\n## ")[0]
    headings = re.findall(r"(?m)^### (.+)$", clients)
    assert headings == [client.title for client in CLIENTS.values()]
    assert {one.values[0] for one in SHOWN if not one.values[1]} == CLIENTS.keys()


def section(title: str) -> str:
    return PAGE.read_text().partition(f"\n### {title}\n")[2].partition("\n### ")[0]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("way", [(), ("--stdio",)])
def test_the_token_is_never_printed(
    client: str, way: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ((), ("--json",)):
        assert execute(["mcp", "config", client, *way, *more]) == 0
        captured = capsys.readouterr()
        assert ENV["token"] not in captured.out + captured.err
        assert ("Bearer" in captured.out or VARIABLE in captured.out) == (
            not way and CLIENTS[client].takes_url
        )


def test_what_sets_the_token_asks_the_node_of_this_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "two words.toml"
    odd.write_text('node_id = "home"\n')
    for client in ("claude-code", "codex", "openclaw", "opencode"):
        assert execute(["mcp", "config", client, "-c", str(odd)]) == 0
        assert f"eval \"$(clawmatrix env -c '{odd}')\"" in capsys.readouterr().err
        assert execute(["mcp", "config", client, "--stdio", "-c", str(odd)]) == 0
        assert "clawmatrix env" not in capsys.readouterr().err
    assert execute(["mcp", "config", "vscode", "-c", str(odd)]) == 0
    assert f"`clawmatrix env --json -c '{odd}'`" in capsys.readouterr().err


def test_the_command_runs_from_any_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = tomllib.loads(printed(capsys, "codex", "--stdio"))["mcp_servers"]["clawmatrix"]
    config = str(tmp_path / "clawmatrix.toml")
    assert [server["command"], *server["args"]] == [
        *(sys.executable, "-m", "clawmatrix_core.cli"),
        *("mcp", "-c", config),
    ]
    program = tmp_path / "clawmatrix"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", ["./clawmatrix"])
    server = tomllib.loads(printed(capsys, "codex", "--stdio"))["mcp_servers"]["clawmatrix"]
    assert [server["command"], *server["args"]] == [str(program), "mcp", "-c", config]


@pytest.mark.parametrize("odd", ['a "quoted" folder', "back\\slash", "ümlaut", "two\nlines"])
def test_odd_paths_stay_what_they_are(odd: str) -> None:
    way = Way(None, ["clawmatrix", "-c", odd])
    for name, client in CLIENTS.items():
        snippet = client.write(way)
        loads: Any = tomllib.loads if snippet.language == "toml" else json.loads
        assert odd in words_of(loads(snippet.text)), name


def words_of(value: Any) -> list[Any]:
    """Return every value that is no container, from anywhere in a configuration."""
    if not isinstance(value, dict | list):
        return [value]
    inner = value.values() if isinstance(value, dict) else value
    return [word for one in inner for word in words_of(one)]
