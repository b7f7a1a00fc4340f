"""The example on the audit page runs unchanged."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.tools.pages import lay_out

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
    lay_out(page, tmp_path, monkeypatch)
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
