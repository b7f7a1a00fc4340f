"""What holds for every file of the repository."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTS = ("pypi.org", "pythonhosted.org", "npmjs.org", "npmjs.com", "crates.io", "index-url")
"""Where packages come from is for whoever installs them to say."""


def files(root: Path) -> Iterator[tuple[str, str]]:
    """Yield path and text of each text file that is, or would be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=30)
    if ran.returncode != 0:
        pytest.skip("not in a git checkout")
    for name in filter(None, ran.stdout.split("\0")):
        path = root / name
        if path.is_file() and name != "tests/contract/test_repository.py":
            try:
                yield name, path.read_text()
            except UnicodeDecodeError:
                continue


def test_no_file_names_a_path_of_this_machine(root: Path) -> None:
    wrong = re.compile(
        rf"{re.escape(str(root))}\b|(?<![\w.~$}}])/(?:Users|root)/\w+|/tmp/\w+/|/work/\w+"
    )
    found = [
        f"{name}:{number}: {match[0]}"
        for name, text in files(root)
        for number, line in enumerate(text.splitlines(), 1)
        if (match := wrong.search(line))
    ]
    assert found == []


def test_no_file_names_the_host_of_a_package_registry(root: Path) -> None:
    found = [f"{name}: {host}" for name, text in files(root) for host in HOSTS if host in text]
    assert found == []


def test_the_head_of_the_changelog_is_the_version(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    heads = re.findall(r"(?m)^## \[?v?([0-9][^\s\]]*)", (root / "CHANGELOG.md").read_text())
    assert heads[0] == project["version"]


def test_the_contract_at_the_front_door_is_the_cores(root: Path) -> None:
    front = root / "hookspecs.py"
    assert front.is_symlink(), "a copy would be edited in place of the core's"
    assert front.read_text() == (root / "clawmatrix_core" / "hookspecs.py").read_text()
