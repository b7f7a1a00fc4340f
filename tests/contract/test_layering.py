"""The core imports no plugin, and no library of one."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOREIGN = ("websockets", "starlette", "uvicorn", "httpx", "httpx2", "openai", "trio", "pytest")
"""What the core does without, so that a host installs only what it loads."""

LEAST = {
    "clawmatrix_core": 80,
    "clawmatrix_audit": 15,
    "clawmatrix_control": 5,
    "clawmatrix_gemini": 7,
    "clawmatrix_grants": 10,
    "clawmatrix_http": 8,
    "clawmatrix_mcp": 20,
    "clawmatrix_mesh": 35,
    "clawmatrix_model_proxy": 70,
    "clawmatrix_relay": 5,
    "clawmatrix_tool_proxy": 35,
}
"""Files that each package has at least: a test that finds fewer has not looked into it."""
ROOMS = ("base", "cli", "config", "doctor", "exchange", "kernel", "members", "sessions", "wire")

IMPORT_ALL = """
import importlib, json, pkgutil, sys
import clawmatrix_core
for module in pkgutil.walk_packages(clawmatrix_core.__path__, "clawmatrix_core."):
    if module.name not in ("clawmatrix_core.testing.fixtures", "clawmatrix_core.cli.__main__"):
        importlib.import_module(module.name)
own = [name for name in sys.modules if name.startswith("clawmatrix_core.")]
print(json.dumps({"tops": sorted({name.partition(".")[0] for name in sys.modules}), "own": own}))
"""


def packages(root: Path) -> list[Path]:
    return [root / "clawmatrix_core", *sorted((root / "plugins").glob("clawmatrix_*"))]


def files_of(package: Path) -> list[Path]:
    """Return the files of a package, those in its folders too."""
    files = sorted(package.rglob("*.py"))
    least = LEAST.get(package.name, 1)
    assert len(files) >= least, f"{package.name}: {len(files)} files, at least {least} expected"
    return files


def imports(file: Path) -> Iterator[str]:
    """Yield the top-level names that a file imports, for type checkers too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} imports relatively"
            yield (node.module or "").partition(".")[0]


def test_importing_all_of_the_core_imports_no_plugin_and_no_library_of_one() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = json.loads(ran.stdout)
    assert len(loaded["own"]) >= LEAST["clawmatrix_core"]
    assert {f"clawmatrix_core.{room}" for room in ROOMS} <= set(loaded["own"])
    wrong = [name for name in loaded["tops"] if name.startswith("clawmatrix_") or name in FOREIGN]
    assert wrong == ["clawmatrix_core"]


def test_importing_the_package_imports_nothing_of_it() -> None:
    code = "import sys, clawmatrix_core; print([n for n in sys.modules if 'clawmatrix_core.' in n])"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "[]"


def test_the_core_imports_no_plugin(root: Path) -> None:
    """What plugins import of each other is a contract of import-linter's."""
    wrong = [
        f"{file.relative_to(root)} imports {name}"
        for file in files_of(root / "clawmatrix_core")
        for name in imports(file)
        if name.startswith("clawmatrix_") and name != "clawmatrix_core"
    ]
    assert wrong == []


def test_every_package_has_the_files_that_are_looked_at(root: Path) -> None:
    assert all(files_of(package) for package in packages(root))


def test_only_the_module_for_tests_imports_pytest(root: Path) -> None:
    found = {
        file.name
        for package in packages(root)
        for file in files_of(package)
        if "pytest" in imports(file)
    }
    assert found == {"fixtures.py"}


def test_every_package_is_looked_at(root: Path) -> None:
    assert [package.name for package in packages(root)] == list(LEAST)


def test_a_package_in_which_nothing_is_found_fails(tmp_path: Path) -> None:
    (tmp_path / "clawmatrix_core").mkdir()
    (tmp_path / "clawmatrix_core" / "__init__.py").touch()
    with pytest.raises(AssertionError, match="clawmatrix_core: 1 files"):
        files_of(tmp_path / "clawmatrix_core")
    with pytest.raises(AssertionError, match="0 files"):
        files_of(tmp_path / "clawmatrix_none")
