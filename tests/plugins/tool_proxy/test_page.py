"""The example on the page about tools runs unchanged, and its table of errors is true."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from clawmatrix_tool_proxy.ending import CODES
from tests.tools.pages import lay_out

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def page() -> str:
    import clawmatrix_tool_proxy

    package = str(clawmatrix_tool_proxy.__file__)
    root = os.path.dirname(os.path.dirname(os.path.dirname(package)))
    with open(os.path.join(root, "docs", "tools.md")) as file:
        return file.read()


@pytest.fixture
def here(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the files of the page, where its commands are found."""
    lay_out(page, tmp_path, monkeypatch)
    return tmp_path


def test_the_example_of_the_page(page: str, here: Path) -> None:
    [shown] = re.findall(r"<!-- start example -->(.*?)<!-- end example -->", page, re.DOTALL)
    steps = re.findall(r"(?m)^\$ (.*)\n((?:(?!\$ |```).*\n)*)", shown)
    assert len(steps) == 11
    kitchen: subprocess.Popen[str] | None = None
    try:
        for command, output in steps:
            if command.endswith("&"):
                kitchen = start(command.removesuffix("&"))
            elif command.startswith("kill"):
                assert kitchen is not None
                kitchen.send_signal(signal.SIGINT)
                assert kitchen.wait(20) == 0
                kitchen = None
            else:
                look(run(command), output)
    finally:
        if kitchen is not None:
            kitchen.kill()
            kitchen.wait(20)


def look(done: subprocess.CompletedProcess[str], output: str) -> None:
    told = done.stdout + done.stderr
    assert all(line in told for line in output.splitlines()), done
    assert (done.returncode == 0) == ("clawmatrix: " not in output), done
    if " audit " in done.args[-1]:
        words = [line.split() for line in done.stdout.splitlines()]
        events = [event for line in words for event in ("begin", "end", "denied") if event in line]
        assert events == ["denied", *["begin", "end"] * 3, "denied"]


def start(command: str) -> subprocess.Popen[str]:
    kitchen = subprocess.Popen(
        ["sh", "-c", f"exec {command}"], stdout=subprocess.PIPE, text=True, process_group=0
    )
    assert kitchen.stdout is not None
    assert kitchen.stdout.readline() == "both run\n"
    kitchen.stdout.close()
    return kitchen


def run(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)


def test_the_table_of_errors_has_their_exit_codes(page: str) -> None:
    rows = re.findall(r"(?m)^\| `(\w+)` \|.*\| (\d+) \|$", page)
    assert {code: int(status) for code, status in rows} == {
        code: status for code, status in CODES.items() if code not in ("bad_params", "unknown_node")
    }
