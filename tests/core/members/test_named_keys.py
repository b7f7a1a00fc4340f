"""Tables of names with keys, as a configuration has them; and lists of names, which it had."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.cli.shell import execute
from clawmatrix_core.config.config import Config, ConfigSection
from clawmatrix_core.members.identity import Identity, key_text, load_identity, read_key_text
from clawmatrix_core.members.named_keys import NAMES_MOST, NamedKeys
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.state.folder import StateFolder
from clawmatrix_mesh.config import MeshConfig

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "0123456789abcdef" * 3
KEY = bytes(range(32))


def problems(folder: Path, revokers: Any) -> list[str]:
    """Return what is wrong with a table, or list, of revokers; nothing where all is right."""
    told = {"node_id": "home", "secret": SECRET, "state_dir": str(folder)}
    config = Config.from_mapping({**told, "mesh": {"revokers": revokers}})
    try:
        config.bind([ConfigSection("mesh", MeshConfig)])
    except ConfigError as error:
        return list(error.problems)
    return []


def test_keys_are_read_as_they_are_written(tmp_path: Path) -> None:
    table = NamedKeys({"home": KEY, "a.b": bytes(32)})
    assert table.texts() == {"home": key_text(KEY), "a.b": key_text(bytes(32))}
    assert NamedKeys.parse(table.texts()) == table
    assert tomllib.loads("\n".join(table.lines())) == table.texts()
    assert problems(tmp_path, table.texts()) == []
    assert read_key_text(key_text(KEY)) == KEY


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("home", 'mesh.revokers: expected a table of names with keys, such as home = "ed'),
        ({"home": 7}, 'mesh.revokers: home: expected "ed25519:" and 32 bytes of base64'),
        ({"home": "ed25519:AAAA"}, "mesh.revokers: home: expected"),
        ({"home": key_text(KEY).removeprefix("ed25519:")}, "mesh.revokers: home: expected"),
        ({"a b": key_text(KEY)}, 'mesh.revokers: "a b" is not the name of a node'),
        (
            {f"n{number}": key_text(KEY) for number in range(NAMES_MOST + 1)},
            f"mesh.revokers: names {NAMES_MOST + 1} nodes, and {NAMES_MOST} are the most",
        ),
    ],
)
def test_a_wrong_table_is_named(tmp_path: Path, value: Any, words: str) -> None:
    [problem] = problems(tmp_path, value)
    assert problem.startswith(words)


@pytest.mark.parametrize("table", ["revokers", "introducers"])
def test_a_list_of_names_is_refused_with_the_lines_to_write(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, office = tmp_path / "state", Identity.generate()
    with StateFolder(folder) as state:
        own = load_identity(state)
        TrustStore(state).check(NodeId("office"), office.sign_public, proven=True, now=0.0)
    path = tmp_path / "home.toml"
    head = f'node_id = "home"\nsecret = "{SECRET}"\nstate_dir = "{folder}"\n[mesh]\n'
    path.write_text(f'{head}{table} = ["home", "office", "lab"]\n')
    path.chmod(0o600)
    assert execute(["config", "check", "-c", str(path)]) == 2
    first, *lines = capsys.readouterr().err.splitlines()
    assert first.startswith(f"clawmatrix: mesh.{table}: is a table of names with keys, no list")
    written = tomllib.loads("\n".join(lines))
    assert written["mesh"][table] == {
        "home": own.key_text,
        "office": office.key_text,
    }
    assert "# lab = " in lines[-1]
    assert "`clawmatrix fingerprint --key` on lab" in lines[-1]
    path.write_text("\n".join([head, *lines]))
    assert execute(["config", "check", "-c", str(path)]) == 0


def test_a_list_is_refused_where_nothing_is_known_yet(tmp_path: Path) -> None:
    [problem] = problems(tmp_path / "none", ["office", "a b"])
    assert '# office = "ed25519:..."' in problem
    assert "# 'a b' is not the name of a node" in problem
    (tmp_path / "trust.json").write_text("damaged")
    [problem] = problems(tmp_path, ["office"])
    assert "# office = " in problem
    assert not (tmp_path / "none").exists()
