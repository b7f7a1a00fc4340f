"""The contracts on imports hold, and each of them fails where a wrong import is planted.

A wrong import is planted in a copy of the sources, in a file of its own where that is possible.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.tools.forking import ForkServer

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CORE = "clawmatrix_core"
MESH, RELAY = "clawmatrix_mesh", "clawmatrix_relay"
FREE = frozenset({"hookspecs"})
"""Modules that may name types from every room."""


def settings() -> dict[str, Any]:
    """Return what pyproject.toml says about imports."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: dict[str, Any] = project["tool"]["importlinter"]
    return found


def contract(id_: str) -> dict[str, Any]:
    contracts: list[dict[str, Any]] = settings()["contracts"]
    [found] = [one for one in contracts if one["id"] == id_]
    return found


def layers() -> list[list[str]]:
    """Return the rooms of each layer that are there, from the highest layer to the lowest."""
    named = [layer.split(" | ") for layer in contract("rooms")["layers"]]
    rooms = [[room.strip("()") for room in layer] for layer in named]
    return [[room for room in layer if exists(room)] for layer in rooms]


def exists(room: str) -> bool:
    folder = ROOT / CORE
    return (folder / room).is_dir() or (folder / f"{room}.py").is_file()


def wrong_ways() -> Iterator[tuple[str, str]]:
    """Yield a room, and one that it must not import: each in the layer above, and its siblings."""
    found = layers()
    for above, layer in pairwise(found):
        yield from ((room, higher) for room in layer for higher in above)
    for layer in found:
        yield from ((room, other) for room in layer for other in layer if room != other)
    yield found[-1][0], found[0][0]
    at = next(number for number, layer in enumerate(found) if FREE & set(layer))
    yield found[at + 1][0], found[at - 1][0]


class Tree:
    """A copy of the sources."""

    def __init__(self, root: Path, linter: ForkServer) -> None:
        self._root = root
        self._linter = linter
        self._planted: dict[Path, str | None] = {}
        without = shutil.ignore_patterns("__pycache__")
        for name in (CORE, "plugins"):
            shutil.copytree(ROOT / name, root / name, ignore=without)
        shutil.copy(ROOT / "pyproject.toml", root)

    def plant(self, package: str, line: str, module: str = "planted") -> str:
        """Write an import into a module of a package; return the module's name."""
        folder = self._root if package.startswith(CORE) else self._root / "plugins"
        file = folder.joinpath(*package.split(".")) / f"{module}.py"
        text = file.read_text() if file.exists() else None
        self._planted.setdefault(file, text)
        file.write_text(f"{text or ''}\n{line}\n")
        return f"{package}.{module}"

    def weed(self) -> None:
        """Take out what was planted."""
        for file, text in self._planted.items():
            if text is None:
                file.unlink()
            else:
                file.write_text(text)
        self._planted.clear()

    def lint(self) -> subprocess.CompletedProcess[str]:
        """Check the contracts."""
        path = os.pathsep.join([str(self._root), str(self._root / "plugins")])
        env = {**os.environ, "PYTHONPATH": path, "COLUMNS": "300"}
        return self._linter.run(["--no-cache", "--no-logo"], cwd=self._root, env=env)

    def assert_broken(self, *words: str) -> None:
        """Check the contracts: they are broken, and what is said has these words."""
        ran = self.lint()
        assert ran.returncode == 1, ran.stdout + ran.stderr
        assert [word for word in words if word not in ran.stdout] == [], ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    linter = ForkServer("importlinter.cli:lint_imports_command")
    yield Tree(tmp_path_factory.mktemp("sources"), linter)
    linter.close()


@pytest.fixture
def tree(copied: Tree) -> Iterator[Tree]:
    """Give the sources as they are, whatever the last test planted."""
    yield copied
    copied.weed()


def test_the_contracts_hold(tree: Tree) -> None:
    ran = tree.lint()
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"Contracts: {len(settings()['contracts'])} kept, 0 broken." in ran.stdout


def test_the_contracts_name_every_package() -> None:
    plugins = sorted(folder.name for folder in (ROOT / "plugins").glob("clawmatrix_*"))
    assert sorted(settings()["root_packages"]) == sorted([CORE, *plugins])
    assert sorted(contract("circles")["ancestors"]) == sorted([CORE, *plugins])
    assert sorted(contract("plugins")["modules"]) == plugins
    assert sorted(contract("core")["forbidden_modules"]) == plugins
    assert sorted(contract("inside")["source_modules"]) == plugins
    entry_points = [*plugins, *(f"{plugin}.plugin" for plugin in plugins)]
    assert sorted(contract("entry-points")["forbidden_modules"]) == sorted(entry_points)
    assert sorted(contract("entry-points")["source_modules"]) == [f"{p}.**" for p in plugins]


def test_the_inside_of_the_core_is_every_room_but_the_commands() -> None:
    rooms = {folder.parent.name for folder in (ROOT / CORE).glob("*/__init__.py")}
    open_ = {"cli.*" if room == "cli" else room for room in rooms - {"testing"}}
    assert set(contract("inside")["forbidden_modules"]) == {f"{CORE}.{room}" for room in open_}


def test_the_only_exceptions_are_the_public_names_and_types_that_hooks_name() -> None:
    ignored = {one for each in settings()["contracts"] for one in each.get("ignore_imports", ())}
    to_plugins = {"** -> *.api", "** -> *.hookspecs"}
    from_hooks = {f"{CORE}.hookspecs -> **", "*.hookspecs -> **"}
    assert ignored == {f"{CORE} -> **", *from_hooks, *to_plugins}


@pytest.mark.parametrize(("room", "higher"), sorted(set(wrong_ways())))
def test_a_room_that_imports_a_higher_one_is_named(room: str, higher: str, tree: Tree) -> None:
    line = f"import {CORE}.{higher}"
    if room in FREE:
        tree.plant(CORE, line, room)
        linted = tree.lint()
        assert "Contracts:" in linted.stdout, linted
        assert f"{CORE}.{room} -> {CORE}.{higher}" not in linted.stdout
    elif (ROOT / CORE / room).is_dir():
        name = tree.plant(f"{CORE}.{room}", line)
        tree.assert_broken(f"{CORE}.{room} is not allowed to import {CORE}.{higher}", name)
    else:
        name = tree.plant(CORE, line, room)
        tree.assert_broken(f"{name} -> {CORE}.{higher} ")


def test_an_import_for_types_counts(tree: Tree) -> None:
    line = f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import {CORE}.kernel.node"
    name = tree.plant(f"{CORE}.base", line)
    tree.assert_broken(f"{name} -> {CORE}.kernel.node ")


def test_a_room_without_a_layer_is_named(tree: Tree) -> None:
    name = tree.plant(CORE, "import json")
    tree.assert_broken("The following modules are not listed as layers", f"- {name}")


def test_a_plugin_that_imports_the_inside_of_another_is_named(tree: Tree) -> None:
    name = tree.plant(RELAY, f"import {MESH}.members.membership")
    tree.assert_broken(f"{name} -> {MESH}.members.membership ")


def test_a_plugin_that_imports_the_inside_of_another_for_types_is_named(tree: Tree) -> None:
    line = f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import {MESH}.links.limits"
    name = tree.plant(RELAY, line)
    tree.assert_broken(f"{name} -> {MESH}.links.limits ")


@pytest.mark.parametrize("inside", ["wire.link", "cli.context", "kernel"])
def test_a_plugin_that_imports_the_inside_of_the_core_is_named(inside: str, tree: Tree) -> None:
    name = tree.plant(MESH, f"import {CORE}.{inside}")
    tree.assert_broken(f"{MESH} is not allowed to import {CORE}.{inside.split('.')[0]}", name)


@pytest.mark.parametrize("shown", ["hookspecs", "spi", "cli"])
def test_a_plugin_may_import_what_the_core_shows(shown: str, tree: Tree) -> None:
    name = tree.plant(MESH, f"import {CORE}.{shown}")
    linted = tree.lint()
    assert "A plugin imports nothing of the inside of the core KEPT" in linted.stdout
    assert name not in linted.stdout


@pytest.mark.parametrize("shown", ["api", "hookspecs"])
def test_a_plugin_may_import_what_another_shows(shown: str, tree: Tree) -> None:
    api = tree.plant(MESH, "import json", shown)
    name = tree.plant(RELAY, f"import {api}")
    ran = tree.lint()
    assert "A plugin imports nothing of another but its api and its hooks KEPT" in ran.stdout
    assert f"{name} -> {api}" not in ran.stdout


def test_a_module_of_the_core_that_imports_a_plugin_is_named(tree: Tree) -> None:
    name = tree.plant(f"{CORE}.kernel", f"import {RELAY}.config")
    tree.assert_broken(f"{name} -> {RELAY}.config ")


@pytest.mark.parametrize(
    "package", [f"{CORE}.base", f"{CORE}.testing", f"{MESH}.websocket", f"{RELAY}"]
)
def test_a_circle_of_modules_is_named(package: str, tree: Tree) -> None:
    tree.plant(package, f"import {package}.planted_too")
    tree.plant(package, f"import {package}.planted", "planted_too")
    tree.assert_broken(f"No cycles are allowed in {package}.", ".planted")


def test_a_circle_of_folders_is_named(tree: Tree) -> None:
    for one, other in (("checks", "commands"), ("commands", "checks")):
        tree.plant(f"{MESH}.{one}", f"import {MESH}.{other}.planted")
    ran = tree.lint()
    told = ran.stdout.partition(f"No cycles are allowed in {MESH}.\n")[2].partition("No cycles")[0]
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "- .checks -> .commands" in told or "- .commands -> .checks" in told, ran.stdout


def test_a_module_of_the_core_that_imports_a_public_name_is_named(tree: Tree) -> None:
    name = tree.plant(f"{CORE}.kernel", f"from {CORE} import NodeId")
    tree.assert_broken(f"{name} -> {CORE} ")


def test_a_module_of_the_core_may_import_the_hooks(tree: Tree) -> None:
    name = tree.plant(f"{CORE}.kernel", f"from {CORE} import hookspecs")
    linted = tree.lint()
    assert "Contracts:" in linted.stdout, linted
    assert name not in linted.stdout


def test_a_module_of_a_plugin_that_imports_its_entry_point_is_named(tree: Tree) -> None:
    name = tree.plant(f"{MESH}.links", f"from {MESH}.plugin import MeshPlugin")
    tree.assert_broken("Modules of a plugin do not import its entry point BROKEN")
    tree.assert_broken(f"{name} -> {MESH}.plugin ")


def test_a_module_of_a_plugin_that_imports_from_its_package_is_named(tree: Tree) -> None:
    name = tree.plant(f"{MESH}.links", f"import {MESH}")
    tree.assert_broken(f"{name} -> {MESH} ")
