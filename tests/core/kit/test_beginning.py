"""A new plugin: its tests pass, and its code is clean, whatever its name is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.cli.shell import execute
from clawmatrix_core.kit.beginning import begin_plugin
from clawmatrix_core.loading.specs import HookSpecs
from clawmatrix_core.testing.acceptance import LINK_CHECKS, TRANSPORT_CHECKS

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[3]
NAMES = ["ink-pots", "q", "twenty-four-letters-long"]
UNWANTED = ("http://", "https://", "pypi", str(ROOT), str(Path.home()) + "/", "$")


def python(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in a folder, with this tree and no other copy of it."""
    tree = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": tree, "MYPYPATH": tree, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> tuple[str | Path, ...]:
    """The command of mypy, which looks at the standard library and at ClawMatrix once."""
    return "-m", "mypy", "--cache-dir", tmp_path_factory.mktemp("types")


@pytest.fixture(scope="module")
def ink_pots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "clawmatrix-ink-pots"
    begin_plugin("ink-pots", folder, ())
    return folder


@pytest.fixture(scope="module")
def transport(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "clawmatrix-ink-pots"
    begin_plugin("ink-pots", folder, (), transport=True)
    return folder


def test_the_tests_of_a_transport_pass(transport: Path) -> None:
    checks = len(TRANSPORT_CHECKS) + len(LINK_CHECKS)
    # On trio they take as long again; the same transport runs there as it stands in the docs.
    ran = python(transport, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "asyncio")
    told = f"{checks + 5} passed, {checks + 5} deselected"
    assert told in ran.stdout, ran.stdout + ran.stderr


def test_nothing_is_wrong_with_a_transport(transport: Path, types: tuple[str | Path, ...]) -> None:
    for arguments in (("-m", "clawmatrix_core.cli", "plugins", "check", "."), types):
        ran = python(transport, *arguments)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "warning" not in ran.stdout


def test_a_scheme_that_a_built_in_transport_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert execute(["plugins", "new", "wss", "--transport"]) == 2
    assert "'wss' cannot be the scheme: a transport of ClawMatrix has it" in capsys.readouterr().err
    assert execute(["plugins", "new", "carts", "--transport"]) == 0
    assert (tmp_path / "clawmatrix-carts/src/clawmatrix_carts/transport.py").is_file()


def test_its_tests_pass(ink_pots: Path) -> None:
    ran = python(ink_pots, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "9 passed" in ran.stdout, ran.stdout + ran.stderr


def test_nothing_is_wrong_with_it(ink_pots: Path) -> None:
    ran = python(ink_pots, "-m", "clawmatrix_core.cli", "plugins", "check", ".")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "nothing wrong was found" in ran.stdout
    assert "warning" not in ran.stdout


def test_its_readme_names_hooks_that_exist_and_that_it_does_not_use(ink_pots: Path) -> None:
    rows = (ink_pots / "README.md").read_text().split("| hook | for |")[1].splitlines()[2:]
    named = re.findall(r"`(\w+)`", " ".join(row.split(" | ")[0] for row in rows if row))
    assert len(named) > 5
    assert [name for name in named if name not in HookSpecs()] == []
    code = "".join(path.read_text() for path in (ink_pots / "src").rglob("*.py"))
    assert [name for name in named if f"def {name}(" in code] == []


def test_its_types_are_right(ink_pots: Path, types: tuple[str | Path, ...]) -> None:
    ran = python(ink_pots, *types)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("transport", [False, True], ids=["feature", "transport"])
def test_its_code_is_clean_whatever_its_name(name: str, transport: bool, tmp_path: Path) -> None:
    written = begin_plugin(name, tmp_path / "new", (), transport=transport)
    checked = python(tmp_path / "new", "-m", "ruff", "check", "--no-cache")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    formatted = python(tmp_path / "new", "-m", "ruff", "format", "--no-cache", "--check")
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr
    for path in written:
        text = path.read_text()
        assert [word for word in UNWANTED if word in text] == [], path


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Dice", "'Dice' is no name for a plugin"),
        ("ink_pots", "is no name for a plugin"),
        ("-dice", "no such option|is no name|No such option"),
        ("../dice", "is no name for a plugin"),
        ("a" * 25, "24 characters at most"),
        ("mesh", "an installed plugin has that name"),
        ("run", "a command of ClawMatrix has that name"),
        ("status", "a command of a built-in plugin has that name"),
        ("secret", "has that name"),
        ("tags", "a key of the configuration has that name"),
        ("tests", "an extra of the new distribution has that name"),
        ("test", "pytest would take its class TestPlugin for tests"),
        ("test-bench", "pytest would take its class TestBenchPlugin for tests"),
        ("core", "its package would be clawmatrix_core, and Python finds a package of that name"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(
    name: str,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert execute(["plugins", "new", name]) == 2
    error = capsys.readouterr().err
    assert any(part in error for part in why.split("|")), error
    assert os.listdir() == []


def test_a_name_whose_package_can_be_imported_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clawmatrix_tea_pots.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert execute(["plugins", "new", "tea-pots", "--path", str(tmp_path / "new")]) == 2
    assert "its package would be clawmatrix_tea_pots" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_folder_that_exists_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["plugins", "new", "dice", "--path", str(tmp_path)]) == 2
    assert f"{tmp_path} exists: choose another folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    assert execute(["plugins", "new", "dice", "--path", str(link)]) == 2


def test_the_command_says_what_it_wrote_and_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert execute(["plugins", "new", "dice"]) == 0
    told: Sequence[str] = capsys.readouterr().out.splitlines()
    assert told == [
        "wrote clawmatrix-dice",
        "next: cd clawmatrix-dice && pip install -e '.[tests]' && pytest",
    ]
    assert (tmp_path / "clawmatrix-dice" / "src" / "clawmatrix_dice" / "plugin.py").is_file()
