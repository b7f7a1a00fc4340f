"""The names that hosts and plugins may lean on."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

import clawmatrix_core

if TYPE_CHECKING:
    from pathlib import Path


def documented(root: Path) -> list[str]:
    text = (root / "docs" / "writing-plugins.md").read_text()
    [table] = re.findall(r"<!-- public names -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    return re.findall(r"`(\w+)`", "\n".join(row.split("|")[2] for row in table.splitlines()[2:]))


def test_the_public_names_are_those_documented(root: Path) -> None:
    assert sorted(documented(root)) == sorted(clawmatrix_core.__all__)


def test_the_list_is_sorted_and_whole() -> None:
    def order(name: str) -> tuple[bool, bool, str]:
        return (not name.isupper(), not name[0].isupper(), name)  # constants, classes, the rest

    names = clawmatrix_core.__all__
    assert sorted(names, key=order) == names
    homes = [name for group in clawmatrix_core._HOMES.values() for name in group]
    assert sorted([*homes, "__version__"]) == sorted(names)


@pytest.mark.parametrize("name", clawmatrix_core.__all__)
def test_every_public_name_is_there_and_public_at_home(name: str) -> None:
    value = getattr(clawmatrix_core, name)
    assert name in dir(clawmatrix_core)
    if name in clawmatrix_core._HOME_OF:
        home = importlib.import_module(f"clawmatrix_core.{clawmatrix_core._HOME_OF[name]}")
        assert getattr(home, name) is value
        assert name in getattr(home, "__all__", [name])


def test_every_error_is_public() -> None:
    errors = importlib.import_module("clawmatrix_core.base.errors")
    # Those between two nodes that shake hands are the mesh plugin's and the core's affair.
    assert {*errors.__all__} - {*clawmatrix_core.__all__} == {"DecryptError", "HandshakeError"}


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nodes'"):
        clawmatrix_core.Nodes  # noqa: B018


def test_the_version_is_that_of_the_distribution_and_read_when_asked() -> None:
    assert clawmatrix_core.__version__ == version("clawmatrix")
    code = "import sys, clawmatrix_core; assert 'importlib.metadata' not in sys.modules"
    subprocess.run([sys.executable, "-S", "-c", code], check=True, timeout=30, env=_path())


def _path() -> dict[str, str]:
    package = clawmatrix_core.__path__[0]
    return {"PYTHONPATH": package.rpartition("/")[0]}
