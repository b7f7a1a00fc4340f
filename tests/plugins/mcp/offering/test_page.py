"""The example on the page about MCP runs unchanged."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from clawmatrix_mcp.naming import LENGTH, offered_name
from clawmatrix_mcp.offering.cluster import MANY
from clawmatrix_mcp.offering.handlers import CALLS
from clawmatrix_mcp.offering.progress import BEAT
from clawmatrix_mcp.offering.sessions import SESSIONS
from tests.tools.pages import lay_out

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def page() -> str:
    import clawmatrix_mcp

    root = os.path.dirname(os.path.dirname(os.path.dirname(str(clawmatrix_mcp.__file__))))
    with open(os.path.join(root, "docs", "mcp.md")) as file:
        return file.read()


@pytest.fixture
def here(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the files of the page, where its commands are found."""
    lay_out(page, tmp_path, monkeypatch)
    return tmp_path


def test_the_example_of_the_page(page: str, here: Path) -> None:
    [shown] = re.findall(r"<!-- start example -->(.*?)<!-- end example -->", page, re.DOTALL)
    steps = re.findall(r"(?m)^\$ (.*)\n((?:(?!\$ |```).*\n)*)", shown)
    assert len(steps) == 5
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
                done = run(command)
                assert done.returncode == 0, done
                assert all(line in done.stdout for line in output.splitlines()), done
    finally:
        if kitchen is not None:
            kitchen.kill()
            kitchen.wait(20)


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


def test_the_numbers_of_the_page_are_those_of_the_code(page: str) -> None:
    assert f"more than {MANY} tools" in page
    assert f"at most {LENGTH} characters" in page
    assert f"every {BEAT:g} seconds" in page
    assert f"There are at most {SESSIONS.text} sessions" in page
    assert f"At most {CALLS.text} calls" in page


def test_the_name_that_the_page_shows_is_of_that_form(page: str) -> None:
    [shown] = re.findall(r"`(office__web_search-[a-z2-7]+)`", page)
    assert len(shown) == len(offered_name("office", "key", "web.search"))
