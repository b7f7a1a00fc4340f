"""``clawmatrix config``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.cli.shell import execute
from tests.core.loading.installer import Installer

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s" * 40


def write(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def test_a_right_configuration_is_said_to_be_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.toml", f'node_id = "a"\nsecret = "{SECRET}"\n')
    assert execute(["config", "check", "-c", path]) == 0
    assert capsys.readouterr().out == f"{path} is valid\n"


def test_every_mistake_is_named_and_no_secret_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(
        tmp_path / "a.toml",
        f'node_id = "a b"\nsecret = "{SECRET}"\nplugins = ["control", "nothing"]\n[contrl]\n',
    )
    assert execute(["config", "check", "-c", path]) == 2
    error = capsys.readouterr().err
    assert error.splitlines() == [
        'clawmatrix: plugins: "nothing": no plugin of that name is installed (entry points are'
        " those of installed distributions: `pip install -e FOLDER` installs one that you are"
        " writing)",
        "clawmatrix: node_id: must be 1 to 64 letters, digits, dots, dashes or underscores",
        'clawmatrix: contrl: unknown key (did you mean "control"?)',
    ]


def test_the_check_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.toml", f'secret = "{SECRET}"\n')
    assert execute(["config", "check", "--json", "-c", path]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer == {"path": path, "valid": False, "problems": ["node_id: is missing"]}


def test_a_file_that_is_not_toml_is_a_problem_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.toml", "node_id = \n")
    assert execute(["config", "check", "--json", "-c", path]) == 2
    [problem] = json.loads(capsys.readouterr().out)["problems"]
    assert problem.startswith(f"{path}: line 1, column ")


def test_the_options_are_listed_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert execute(["config", "schema", "--json"]) == 0
    options = {entry["path"]: entry for entry in json.loads(capsys.readouterr().out)["options"]}
    assert options["node_id"]["required"] is True
    assert options["node_id"]["default"] is None
    assert options["tags"]["required"] is False
    assert set(options["tags"]) == {"path", "type", "default", "doc", "required", "reload"}
    assert options["tags"]["reload"] is True
    assert options["node_id"]["reload"] is False


def test_the_options_are_listed_for_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.toml", f'node_id = "a"\nsecret = "{SECRET}"\n')
    assert execute(["config", "schema", "-c", path]) == 0
    text = capsys.readouterr().out
    assert "node_id\n    The name of this node" in text
    assert "text; required\n" in text


GRANTS = """
from clawmatrix_core import ConfigSection, hookimpl, option
import attrs

@attrs.frozen
class Table:
    rest: dict = option(factory=dict, rest=True, doc="Who may do what.")

class Plugin:
    @hookimpl
    def register_config(self):
        return [ConfigSection("grants", Table)]

    @hookimpl
    async def authorize(self, node, peer, key, action, target, arguments):
        return None
"""


@pytest.mark.parametrize("line", ['plugins = ["control"]', 'disable = ["grants"]'])
def test_a_table_of_grants_without_its_plugin_is_refused(
    line: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    Installer(tmp_path)("grants", GRANTS)
    path = write(tmp_path / "a.toml", f'node_id = "a"\nsecret = "{SECRET}"\n{line}\n[grants]\n')
    assert execute(["config", "check", "-c", path]) == 2
    error = capsys.readouterr().err
    assert "grants: the table is there, and no plugin decides by it: all is denied" in error
    assert "the plugin grants is disabled" in error
