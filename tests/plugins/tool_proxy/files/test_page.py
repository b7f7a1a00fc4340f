"""The page on files: its example runs unchanged, and its codes are those of the tools."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from clawmatrix_core.testing.fixtures import free_port
from clawmatrix_tool_proxy.files.errors import CODES

ROOT = Path(__file__).parents[4]


def part(name: str) -> str:
    page = (ROOT / "docs" / "files.md").read_text()
    [text] = re.findall(
        rf"<!-- start {name} -->\n```\w+\n(.*?)```\n<!-- end {name} -->", page, re.S
    )
    return str(text)


def test_the_example_prints_what_the_page_says(tmp_path: Path) -> None:
    program = part("two_minutes.py").replace("19000", str(free_port()))
    (tmp_path / "two_minutes.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "two_minutes.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == part("output"), done.stderr
    assert (tmp_path / "notes" / "shared" / "today.txt").read_text() == "buy milk\nbuy coffee\n"


def test_the_codes_of_the_page_are_those_of_the_tools() -> None:
    page = (ROOT / "docs" / "files.md").read_text()
    [told] = re.findall(r"<!-- error codes -->\n(.*?)<!-- end error codes -->", page, re.S)
    rows = [f"| `{code}` | {words} |" for code, words in sorted(CODES.items())]
    assert told == "\n".join(["| code | |", "|---|---|", *rows, ""])


def test_every_code_that_is_raised_has_a_row() -> None:
    folder = ROOT / "plugins" / "clawmatrix_tool_proxy" / "files"
    text = "".join(file.read_text() for file in folder.glob("*.py") if file.name != "errors.py")
    raised = set(re.findall(r'(?:refusal|ToolError)\([^()]*(?:\([^()]*\)[^()]*)*?"(\w+)"', text))
    assert raised - set(CODES) == set()
    assert len(raised) > 8
