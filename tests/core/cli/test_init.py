"""``clawmatrix init``."""

from __future__ import annotations

import io
import tomllib
from pathlib import Path

import pytest

from clawmatrix_core.cli.context import load_plugins
from clawmatrix_core.cli.init import InitChoices, make_secret, node_id_from, render_config
from clawmatrix_core.cli.shell import execute
from clawmatrix_core.config.config import Config

SECRET = "0123456789abcdef" * 3


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any configuration, in a folder without one."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.mark.parametrize(
    ("hostname", "expected"),
    [
        ("Office.example.org", "office"),
        ("my_box-2", "my_box-2"),
        ("Jo's Laptop", "jo-s-laptop"),
        ("-x-", "x"),
        ("...", "node"),
        ("", "node"),
        ("a" * 80, "a" * 64),
    ],
)
def test_a_hostname_becomes_a_node_id(hostname: str, expected: str) -> None:
    assert node_id_from(hostname) == expected


def test_a_secret_has_256_random_bits() -> None:
    assert make_secret(lambda n: b"\xff" * n) == "_" * 42 + "8"
    assert len({make_secret() for _ in range(10)}) == 10


def test_the_configuration_is_toml_whatever_the_text() -> None:
    peers = ("wss://a.example:1", 'x"\\\n')
    mesh = {"listen": "[::1]:5", "peers": peers, "ca": None}
    text = render_config(InitChoices("a", 'q"\x7f', {"mesh": mesh}))
    assert tomllib.loads(text) == {
        "node_id": "a",
        "secret": 'q"\x7f',
        "mesh": {"listen": "[::1]:5", "peers": list(peers)},
    }


WHOLE = """\
# A node of a ClawMatrix mesh. `clawmatrix config check` checks this file,
# `clawmatrix config schema` lists everything that can stand here.

# The name of this node. Each node of the mesh has one of its own.
node_id = "a"

# What all nodes of the mesh know and nobody else: the same on each of them.
# "env:NAME" takes it from the environment, "file:PATH" from a file.
secret = "env:MESH"

# Words that other nodes see this node by.
# tags = ["gpu"]

[mesh]
# Where other nodes can connect to; leave it out on a node that only connects to others.
{listen}
# Nodes to connect to. One is enough: the others are learned from it.
{peers}

# Models that this node serves to the mesh.
# [[model-proxy.models]]
# id = "qwen3"
# base_url = "http://127.0.0.1:11434/v1"
# api = "openai-completions"
# api_key = "env:UPSTREAM_KEY"
"""


@pytest.mark.parametrize(
    ("mesh", "listen", "peers"),
    [
        ({}, '# listen = "0.0.0.0:19000"', '# peers = ["wss://relay.example:19000"]'),
        (
            {"listen": None, "peers": ("ws://b:1", "ws://c:1")},
            '# listen = "0.0.0.0:19000"',
            'peers = ["ws://b:1", "ws://c:1"]',
        ),
        (
            {"listen": "[::1]:5", "peers": (), "ca": "/ca.pem"},
            'listen = "[::1]:5"',
            '# peers = ["wss://relay.example:19000"]\nca = "/ca.pem"',
        ),
    ],
)
def test_the_whole_text_with_the_templates_of_plugins(
    mesh: dict[str, object], listen: str, peers: str
) -> None:
    text = render_config(InitChoices("a", "env:MESH", {"mesh": mesh}))
    assert text == WHOLE.format(listen=listen, peers=peers)


def test_what_the_templates_show_is_valid() -> None:
    told = InitChoices("a", SECRET, {"mesh": {"listen": "127.0.0.1:1"}})
    lines = render_config(told).splitlines()
    shown = [line.removeprefix("# ") if " = " in line or "[[" in line else line for line in lines]
    config = Config.from_mapping(tomllib.loads("\n".join(shown).replace("env:UPSTREAM_KEY", "k")))
    config.bind(load_plugins(None).config_sections())
    assert config.tags == ("gpu",)


def test_a_table_that_no_plugin_shows_has_its_values_all_the_same() -> None:
    text = render_config(InitChoices("a", "env:MESH", {"loft": {"names": ["b", "c"]}}))
    assert text.endswith('\n[loft]\nnames = ["b", "c"]\n')


def test_a_secret_is_not_in_the_repr() -> None:
    assert SECRET not in repr(InitChoices("a", SECRET))


def test_what_is_written_passes_the_check(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "config" / "clawmatrix" / "clawmatrix.toml"
    assert execute(["init", "--node-id", "office"]) == 0
    text = capsys.readouterr().out
    assert f"wrote {path}\n" in text
    assert "clawmatrix run\n" in text
    assert path.stat().st_mode & 0o777 == 0o600
    config = tomllib.loads(path.read_text())
    assert config["node_id"] == "office"
    assert config["mesh"] == {"listen": "0.0.0.0:19000"}
    assert config["secret"] not in text
    assert execute(["config", "check"]) == 0


def test_the_file_asked_for_is_named_in_the_next_steps(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "new" / "lab.toml"
    assert execute(["init", "-c", str(path), "--listen", "127.0.0.1:19003"]) == 0
    text = capsys.readouterr().out
    assert f"clawmatrix run -c {path}\n" in text
    assert f"clawmatrix invite -c {path}\n" in text
    assert execute(["config", "check", "-c", str(path)]) == 0


def test_nothing_is_overwritten_unless_forced(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "a.toml"
    path.write_text("mine")
    assert execute(["init", "-c", str(path)]) == 2
    assert path.read_text() == "mine"
    assert "`clawmatrix init --force` overwrites it" in capsys.readouterr().err
    path.chmod(0o644)
    assert execute(["init", "-c", str(path), "--force"]) == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in home.iterdir() if "a.toml" in entry.name] == ["a.toml"]


def test_a_configuration_that_is_in_use_is_not_shadowed(home: Path) -> None:
    Path("clawmatrix.toml").write_text("mine")
    assert execute(["init"]) == 2


def test_joining_needs_the_secret(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["init", "--peer", "ws://127.0.0.1:1"]) == 2
    told = capsys.readouterr().err
    assert "its secret is needed" in told
    assert "clawmatrix join TOKEN" in told


def test_joining_with_a_secret_in_a_file(home: Path) -> None:
    file = home / "secret"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    path = home / "a.toml"
    arguments = ["init", "-c", str(path), "--peer", "ws://127.0.0.1:1", "--secret-file", str(file)]
    assert execute(arguments) == 0
    config = tomllib.loads(path.read_text())
    assert config["secret"] == f"file:{file}"
    assert config["mesh"] == {"peers": ["ws://127.0.0.1:1"]}
    assert execute(["config", "check", "-c", str(path)]) == 0


def test_a_secret_comes_in_by_standard_input(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))
    path = home / "a.toml"
    assert execute(["init", "-c", str(path), "--peer", "ws://127.0.0.1:1", "--secret", "-"]) == 0
    assert tomllib.loads(path.read_text())["secret"] == SECRET


def test_a_reference_to_the_environment_may_be_filled_later(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "a.toml"
    assert execute(["init", "-c", str(path), "--secret", "env:NOT_SET_YET"]) == 0
    assert "note: secret: the environment variable NOT_SET_YET" in capsys.readouterr().out
    assert tomllib.loads(path.read_text())["secret"] == "env:NOT_SET_YET"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--secret", "short"], "secret: must have at least 32 characters"),
        (["--node-id", "a b"], "node_id: must be 1 to 64"),
        (["--listen", "19000"], "--listen: expected an address like"),
        (["--listen", "::1:5"], "--listen: an IPv6 address goes in brackets"),
        (["--secret", "x", "--secret-file", "/dev/null"], "not both"),
    ],
)
def test_what_the_check_would_refuse_is_not_written(
    arguments: list[str], message: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "a.toml"
    assert execute(["init", "-c", str(path), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not path.exists()
