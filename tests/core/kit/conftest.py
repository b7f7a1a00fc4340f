"""Folders with the source of plugins, as people write them."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROJECT = """
[project]
name = "clawmatrix-pigeons"

[project.entry-points."clawmatrix.plugins"]
{name} = "{package}.plugin:Plugin"
"""


class Writer:
    """Writes a distribution whose package no other test has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clawmatrix-pigeons"
        self.package = f"pigeons_{folder.name}"

    def __call__(self, source: str = "", name: str = "pigeons", **modules: str) -> str:
        """Write the plugin's module, and others; return the folder."""
        package = self.folder / "src" / self.package
        package.mkdir(parents=True)
        project = PROJECT.format(name=name, package=self.package)
        if "hookspecs" in modules:
            project += '\n[project.entry-points."clawmatrix.hookspecs"]\n'
            project += f'{name} = "{self.package}.hookspecs"\n'
        (self.folder / "pyproject.toml").write_text(project)
        for module, text in {"__init__": "", "plugin": source, **modules}.items():
            text = textwrap.dedent(text).replace("PACKAGE", self.package)
            (package / f"{module}.py").write_text(text)
        return str(self.folder)


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path)
    yield writer
    for name in [name for name in sys.modules if name.split(".")[0] == writer.package]:
        del sys.modules[name]
