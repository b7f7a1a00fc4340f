"""``clawmatrix mcp config`` prints what the documentation shows, and never the token."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core.cli import execute
from clawmatrix_mcp.commands.snippets import CLIENTS, VARIABLE, Way
from tests.integration.conftest import NodeProcess, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[4] / "docs" / "mcp.md"
BLOCK = re.compile(
    r"<!-- start ([\w-]+)((?: --stdio)?) -->\n```(\w+)\n(.*?)```\n<!-- end \1\2 -->", re.S
)
SHOWN_URL = "http://127.0.0.1:19100"
SHOWN_PROGRAM = "/home/me/.venv/bin/clawmatrix"
SHOWN_CONFIG = "/home/me/clawmatrix.toml"
SHOWN = [
    pytest.param(*found, id=f"{found[0]}{found[1]}")
    for found in BLOCK.findall(PAGE.read_text())
    if found[0] in CLIENTS
]


@attrs.frozen
class Home:
    """A node that runs, whose configuration is in the folder of the tests."""

    folder: Path
    root: str
    token: str

    @property
    def config(self) -> str:
        return str(self.folder / "clawmatrix.toml")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    node = NodeProcess("clawmatrix", tmp_path_factory.mktemp("home"))
    node.configure(
        'plugins = ["http", "control", "grants", "tool-proxy", "mcp"]\n'
        '[http]\nlisten = "127.0.0.1:0"\n'
    )
    node.start()
    env = wait_for(lambda: node.ask("http.env"), "the node is up")
    yield Home(node.folder, env["baseUrl"].removesuffix("/v1"), env["token"])
    node.end()


@pytest.fixture(autouse=True)
def home(running: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(running.folder)
    return running


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Start from a program of the usual name, and return its path."""
    program = tmp_path / "clawmatrix"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["./clawmatrix"])
    return str(program)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert execute(["mcp", "config", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("client", "way", "language", "text"), SHOWN)
def test_the_documentation_shows_what_is_printed(
    client: str,
    way: str,
    language: str,
    text: str,
    home: Home,
    program: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = {SHOWN_URL: home.root, SHOWN_PROGRAM: program, SHOWN_CONFIG: home.config}
    for one, here in shown.items():
        text = text.replace(one, here)
    arguments = [client, *way.split()]
    assert execute(["-c", home.config, "mcp", "config", *arguments]) == 0
    assert capsys.readouterr().out == text
    assert execute(["-c", home.config, "mcp", "config", *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
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
    client: str, way: tuple[str, ...], home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ((), ("--json",)):
        assert execute(["mcp", "config", client, *way, *more]) == 0
        captured = capsys.readouterr()
        assert home.token not in captured.out + captured.err
        assert ("Bearer" in captured.out or VARIABLE in captured.out) == (
            not way and CLIENTS[client].takes_url
        )


def test_what_sets_the_token_asks_the_node_of_this_configuration(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "two words.toml"
    odd.write_text(Path(home.config).read_text())
    odd.chmod(0o600)
    for client in ("claude-code", "codex", "openclaw", "opencode"):
        assert execute(["mcp", "config", client, "-c", str(odd)]) == 0
        assert f"eval \"$(clawmatrix env -c '{odd}')\"" in capsys.readouterr().err
        assert execute(["mcp", "config", client, "--stdio", "-c", str(odd)]) == 0
        assert "clawmatrix env" not in capsys.readouterr().err
    assert execute(["mcp", "config", "vscode", "-c", str(odd)]) == 0
    assert f"`clawmatrix env --json -c '{odd}'`" in capsys.readouterr().err


def command_of(text: str) -> list[str]:
    server = tomllib.loads(text)["mcp_servers"]["clawmatrix"]
    return [server["command"], *server["args"]]


def test_the_command_runs_from_any_folder(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    own = [sys.executable, "-m", "clawmatrix_core.cli"]
    assert command_of(printed(capsys, "codex", "--stdio")) == [*own, "mcp", "-c", home.config]


def test_the_command_is_the_program_where_there_is_one(
    home: Home, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["-c", home.config, "mcp", "config", "codex", "--stdio"]) == 0
    assert command_of(capsys.readouterr().out) == [program, "mcp", "-c", home.config]


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
