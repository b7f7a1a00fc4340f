"""The files and commands of an example in the documentation."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from clawmatrix_core.testing.fixtures import free_port

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

__all__ = ["lay_out"]


def lay_out(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the files of a page into a folder, and go there; its commands are found there."""
    ports = {number: str(free_port()) for number in ("19000", "19100")}
    files = re.findall(r"<!-- start ([\w.]+\.\w+) -->\n```\w+\n(.*?)```", page, re.DOTALL)
    for name, text in files:
        for number, port in ports.items():
            text = text.replace(number, port)
        (folder / name).write_text(text)
    programs = folder / "bin"
    programs.mkdir()
    for name, more in (("python", ""), ("clawmatrix", " -m clawmatrix_core.cli")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable}{more} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.chdir(folder)
