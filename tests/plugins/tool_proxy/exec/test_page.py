"""The page on commands: its example runs unchanged, and its tables are those of the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from clawmatrix_core.testing.fixtures import free_port
from clawmatrix_tool_proxy.exec.guarding.parts import PARTS

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "exec.md").read_text()


def part(name: str) -> str:
    [text] = re.findall(
        rf"<!-- start {name} -->\n```\w+\n(.*?)```\n<!-- end {name} -->", PAGE, re.S
    )
    return str(text)


def test_the_example_prints_what_the_page_says(tmp_path: Path) -> None:
    program = part("two_minutes.py").replace("19000", str(free_port()))
    (tmp_path / "two_minutes.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "two_minutes.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == part("output"), done.stderr


def test_the_table_has_every_part() -> None:
    assert set(re.findall(r"^\| `([\w-]+)` \| [\d. ]*\|", PAGE, re.M)) == set(PARTS)


def test_the_codes_of_the_page_are_those_of_the_tools() -> None:
    folder = ROOT / "plugins" / "clawmatrix_tool_proxy" / "exec"
    text = "".join(file.read_text() for file in folder.glob("*.py"))
    raised = set(re.findall(r'ToolError\([^()]*(?:\([^()]*\)[^()]*)*?"(\w+)"\)', text))
    [table] = re.findall(r"\| code of an error \| \|\n\|---\|---\|\n(.*?)\n\n", PAGE, re.S)
    assert len(raised) > 5
    assert raised == set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\|(.*?)\|", table, re.M))))
