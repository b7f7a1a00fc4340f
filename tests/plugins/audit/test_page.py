"""The example on the audit page runs unchanged."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.testing.fixtures import free_port

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def page() -> str:
    import clawmatrix_audit

    root = os.path.dirname(os.path.dirname(os.path.dirname(str(clawmatrix_audit.__file__))))
    with open(os.path.join(root, "docs", "audit.md")) as file:
        return file.read()


@pytest.fixture
def here(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the files of the page, where its commands are found."""
    port = str(free_port())
    for name, text in re.findall(
        r"<!-- start ([\w.]+\.\w+) -->\n```\w+\n(.*?)```", page, re.DOTALL
    ):
        (tmp_path / name).write_text(text.replace("19000", port))
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, more in (("python", ""), ("clawmatrix", " -m clawmatrix_core.cli")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable}{more} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_example_of_the_page(page: str, here: Path) -> None:
    [shown] = re.findall(r"<!-- start example -->(.*?)<!-- end example -->", page, re.DOTALL)
    steps = re.findall(r"(?m)^\$ (.*)\n((?:(?!\$ |```).*\n)*)", shown)
    assert len(steps) == 10
    bells: subprocess.Popen[str] | None = None
    try:
        for command, output in steps:
            if command.endswith("&"):
                bells = start(command.removesuffix("&"))
            elif command.startswith("kill"):
                assert bells is not None
                bells.send_signal(signal.SIGINT)
                bells.wait(20)
                bells = None
            else:
                done = run(command)
                assert all(line in done.stdout for line in output.splitlines()), done
                assert (done.returncode == 12) == ("edit:" in output or "tail:" in output), done
                if "tail -c" in command:
                    told = done.stdout.splitlines()
                    assert len(told) == 7
                    assert sum("begin" in line and "peer=home" in line for line in told) == 3
    finally:
        if bells is not None:
            bells.kill()
            bells.wait(20)


def start(command: str) -> subprocess.Popen[str]:
    bells = subprocess.Popen(
        ["sh", "-c", f"exec {command}"], stdout=subprocess.PIPE, text=True, process_group=0
    )
    assert bells.stdout is not None
    assert [bells.stdout.readline() for _ in range(4)] == ["ding\n"] * 3 + ["rung\n"]
    bells.stdout.close()
    return bells


def run(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
