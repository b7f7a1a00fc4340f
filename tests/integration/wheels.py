"""Distributions of third parties: real wheels in a real virtual environment.

The environment sees the packages of the tests' own one; nothing is fetched from anywhere.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["install_wheels"]


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def install_wheels(folder: Path, *sources: Path) -> Path:
    """Build a wheel of each source and install it; return the interpreter that has them."""
    for source in sources:
        copy = shutil.copytree(source, folder / "sources" / source.name)
        _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, copy)
    _run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    options = ("--no-deps", "--no-index", "--disable-pip-version-check")
    wheels = sorted(folder.glob("*.whl"))
    _run(sys.executable, "-m", "pip", "--python", python, "install", *options, *wheels)
    ours = sysconfig.get_path("purelib")
    [site] = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "packages_of_the_tests.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    return python
