"""A configuration that is to be written."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.cli.context import Settings, load_plugins
from clawmatrix_core.cli.new_config import NewConfig, make_secret, node_id_from
from clawmatrix_core.config.config import Config

HERE = Path("clawmatrix.toml")
SECRET = "0123456789abcdef" * 3


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
    text = NewConfig(HERE, "a", 'q"\x7f', {"mesh": mesh}).render()
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

# Where the node keeps its keys and its state, unless in the usual folder.
# state_dir = "/var/lib/clawmatrix"

# Words that other nodes see this node by.
# tags = ["gpu"]

[mesh]
# Where other nodes can connect to; leave it out on a node that only connects to others.
{listen}
# The same over the transport of another plugin, which has to be named in plugins.
# listen_url = "tcp://0.0.0.0:19005"
# Nodes to connect to. One is enough: the others are learned from it.
{peers}

# The table [mesh.revokers] has the nodes that can put another one out of the mesh, each with its
# key: `clawmatrix fingerprint --key` there prints the line.
{revokers}
# Models that this node serves to the mesh.
# [[model-proxy.models]]
# id = "qwen3"
# base_url = "http://127.0.0.1:11434/v1"
# api = "openai-completions"
# api_key = "env:UPSTREAM_KEY"
"""


LISTEN = '# listen = "*:19000"'
PEERS = '# peers = ["wss://relay.example:19000"]'


@pytest.mark.parametrize(
    ("mesh", "listen", "peers", "rest"),
    [
        ({}, LISTEN, PEERS, ""),
        ({"peers": ("ws://b:1", "ws://c:1")}, LISTEN, 'peers = ["ws://b:1", "ws://c:1"]', ""),
        (
            {"revokers": {"b": "ed25519:x", "c.d": "y"}, "listen": "[::1]:5", "ca": "/ca.pem"},
            'listen = "[::1]:5"',
            PEERS,
            'ca = "/ca.pem"\n\n[mesh.revokers]\nb = "ed25519:x"\n"c.d" = "y"\n',
        ),
    ],
)
def test_the_whole_text_with_the_templates_of_plugins(
    mesh: dict[str, object], listen: str, peers: str, rest: str
) -> None:
    text = NewConfig(HERE, "a", "env:MESH", {"mesh": mesh}).render()
    assert text == WHOLE.format(listen=listen, peers=peers, revokers=rest)
    assert tomllib.loads(text)["mesh"] == {
        key: list(value) if key == "peers" else value  # type: ignore[call-overload]
        for key, value in mesh.items()
    }


def test_what_the_templates_show_is_valid() -> None:
    told = NewConfig(HERE, "a", SECRET, {"mesh": {"listen": "127.0.0.1:1"}})
    lines = told.render().splitlines()
    shown = [line.removeprefix("# ") if " = " in line or "[[" in line else line for line in lines]
    config = Config.from_mapping(tomllib.loads("\n".join(shown).replace("env:UPSTREAM_KEY", "k")))
    config.bind(load_plugins(None).config_sections())
    assert config.tags == ("gpu",)


def test_a_table_that_no_plugin_shows_has_its_values_all_the_same() -> None:
    text = NewConfig(HERE, "a", "env:MESH", {"loft": {"names": ["b", "c"]}}).render()
    assert text.endswith('\n[loft]\nnames = ["b", "c"]\n')


def test_a_secret_is_not_in_the_repr() -> None:
    assert SECRET not in repr(NewConfig(HERE, "a", SECRET))


def test_a_node_that_joins_listens_only_where_that_is_said(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "a.toml")
    new = NewConfig.plan(settings, node_id="a", listen=None, peers=("ws://b:1",), ca=None)
    assert (new.path, new.node_id, new.listen) == (tmp_path / "a.toml", "a", None)
    assert new.tables == {"mesh": {"listen": None, "peers": ("ws://b:1",), "ca": None}}
    assert NewConfig.plan(settings, node_id=None, listen=None, peers=()).listen == "*:19000"


def test_the_secret_is_not_asked_for_where_a_configuration_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.touch()

    def secret() -> str:
        raise AssertionError("it was asked for")

    with pytest.raises(ConfigError, match="is there already"):
        NewConfig.plan(Settings(path), node_id="a", listen=None, peers=(), secret=secret)
