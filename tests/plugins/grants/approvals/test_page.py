"""The example on the page of approvals runs unchanged, but for the words of its approvals."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import clawmatrix_grants

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMPT = "$ "


@pytest.fixture
def page() -> str:
    return (Path(str(clawmatrix_grants.__file__)).parents[2] / "docs" / "approvals.md").read_text()


@pytest.fixture
def here(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the files of the page, where its commands are found."""
    for name, text in re.findall(
        r"<!-- start ([\w.]+\.\w+) -->\n```\w+\n(.*?)```", page, re.DOTALL
    ):
        (tmp_path / name).write_text(text)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, more in (("python", ""), ("clawmatrix", " -m clawmatrix_core.cli")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable}{more} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Terminal:
    """Types what the page types, and sees the program in the background beside it."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}
        self.program: subprocess.Popen[str] | None = None
        self.output: Iterator[str] = iter(())

    def type(self, command: str) -> None:
        """Run a command of the page, with the words of this run in the place of the page's."""
        command = self.own(command)
        if command.endswith("&"):
            self.program = subprocess.Popen(
                ["sh", "-c", f"exec {command.removesuffix('&')}"],
                stdout=subprocess.PIPE,
                text=True,
            )
            return
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done
        self.output = iter(done.stdout.splitlines())

    def own(self, text: str) -> str:
        for shown, real in self.words.items():
            text = text.replace(shown, real)
        return text

    def see(self, line: str) -> None:
        """Find a line of the page in what comes: of the last command, or of the program."""
        waits = re.fullmatch(r"waits for an approval, (\w+), .*", line)
        if waits or line in ("ding", "not allowed on this node"):
            assert self.program is not None
            assert self.program.stdout is not None
            found = self.program.stdout.readline().rstrip("\n")
            if waits:
                self.words[waits[1]] = found.split()[4].rstrip(",")
            assert found == self.own(line)
        else:
            parts = [re.escape(part) for part in self.own(line).split("...")]
            pattern = re.compile(".*".join(parts))
            assert any(pattern.fullmatch(found) for found in self.output), (line, self.words)

    def close(self) -> None:
        if self.program is not None:
            self.program.kill()
            self.program.wait(20)
            assert self.program.stdout is not None
            self.program.stdout.close()


@pytest.mark.usefixtures("here")
def test_the_example_of_the_page(page: str) -> None:
    [shown] = re.findall(r"<!-- start example -->(.*?)<!-- end example -->", page, re.DOTALL)
    blocks = re.findall(r"(?s)```console\n(.*?)```", shown)
    lines = [line for block in blocks for line in block.splitlines()]
    assert sum(line.startswith(PROMPT) for line in lines) == 7
    terminal = Terminal()
    try:
        for line in lines:
            if line.startswith(PROMPT):
                terminal.type(line.removeprefix(PROMPT))
            else:
                terminal.see(line)
        assert terminal.program is not None
        assert terminal.program.wait(20) == 0
    finally:
        terminal.close()
