"""``clawmatrix config``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio.to_thread
import attrs
import pytest

from clawmatrix_core import Beside, Config, ConfigSection, hookimpl, option
from clawmatrix_core.cli.context import Settings, hosted_plugins
from clawmatrix_core.cli.doctor import look
from clawmatrix_core.cli.shell import execute
from clawmatrix_core.doctor.own_checks import all_checks
from tests.core.loading.installer import Installer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

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
    problems = ["node_id: is missing"]
    assert answer == {"path": path, "valid": False, "problems": problems, "warnings": []}


@attrs.frozen
class Loft:
    doors: int = option(default=1, doc="How many doors it has.", reload=True)


class LoftPlugin:
    plugin_name = "loft"

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        return [ConfigSection("loft", Loft, check=self._look(0), warn=self._look(9))]

    def _look(self, wrong: int) -> Callable[[Loft, Beside], Iterator[tuple[tuple[str], str]]]:
        def look(table: Loft, beside: Beside) -> Iterator[tuple[tuple[str], str]]:
            if table.doors == wrong:
                yield ("doors",), f"{wrong} are not meant"

        return look


def test_what_is_probably_not_meant_is_a_warning_of_a_right_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = f'node_id = "a"\nsecret = "{SECRET}"\nloft.doors = '
    path = write(tmp_path / "a.toml", said + "9\n")
    with hosted_plugins({"loft": LoftPlugin()}):
        assert execute(["config", "check", "-c", path]) == 0
        warned = "warning: loft.doors: 9 are not meant"
        assert capsys.readouterr().out.splitlines() == [warned, f"{path} is valid"]
        assert execute(["config", "check", "--json", "-c", path]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["warnings"] == ["loft.doors: 9 are not meant"]
        write(tmp_path / "a.toml", said + "0\n")
        assert execute(["config", "check", "--json", "-c", path]) == 2
        answer = json.loads(capsys.readouterr().out)
        assert (answer["warnings"], answer["problems"]) == ([], ["loft.doors: 0 are not meant"])


async def test_doctor_shows_what_is_probably_not_meant(
    node_factory: NodeFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = f'node_id = "a"\nsecret = "{SECRET}"\nstate_dir = "s"\nloft.doors = '
    path = write(tmp_path / "a.toml", said + "9\n")
    with hosted_plugins({"loft": LoftPlugin()}):
        found = await anyio.to_thread.run_sync(lambda: look(Settings(file=tmp_path / "a.toml")))
    words = "loft.doors: 9 are not meant"
    assert [one.detail for one in found if one.status == "warning"] == [words]
    async with node_factory("a", built_in=(), plugins=[LoftPlugin()]) as node:
        await node.reload(Config.load(path))
        [check] = [
            one for one in all_checks(node.config, node.plugins, node) if one.name == "config"
        ]
        told = [(one.status, one.detail) for one in await check.run()]
        assert ("warning", words) in told


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
