"""The security page: each promise, and each thing an attacker can do, names its test."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ATTACKERS = {
    "Someone on the network",
    "A curious or malicious relay",
    "A malicious member",
    "A malicious upstream",
    "Who has stolen a laptop",
    "A malicious web page",
    "A program without the token",
    "A program that has the token",
    "A malicious plugin",
}


def page(root: Path) -> str:
    return (root / "docs" / "security.md").read_text()


def part(text: str, heading: str) -> str:
    """Return what stands under a heading, those below it among it."""
    level = heading.split()[0]
    return re.split(rf"(?m)^#{{1,{len(level)}}} ", text.split(f"{heading}\n", 1)[1])[0]


def points(text: str) -> list[str]:
    """Return the points of all lists, each on one line."""
    found = re.findall(r"(?m)^- .*(?:\n  .*)*", text)
    return [" ".join(point.split()) for point in found]


def missing(root: Path, text: str) -> list[str]:
    """Return what is named as a test and is none."""
    found = []
    for file, name in NAMED.findall(text):
        path = root / file
        tree = ast.parse(path.read_text()) if path.exists() else ast.Module([], [])
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        if name not in {node.name for node in tree.body if isinstance(node, kinds)}:
            found.append(f"{file}::{name}")
    return found


def test_every_test_that_the_page_names_is_there(root: Path) -> None:
    text = page(root)
    assert len(NAMED.findall(text)) > 60
    assert len(NAMED.findall(text)) == text.count(".py::"), "a name that is not read"
    assert missing(root, text) == []


@pytest.mark.parametrize("heading", ["## The ground it stands on", *sorted(ATTACKERS)])
def test_every_line_names_the_test_that_shows_it(root: Path, heading: str) -> None:
    heading = heading if heading.startswith("#") else f"### {heading}"
    unshown = [one for one in points(part(page(root), heading)) if not NAMED.search(one)]
    assert unshown == []


def test_each_attacker_has_what_it_can_and_what_it_cannot_do(root: Path) -> None:
    text = part(page(root), "## Who attacks, and what they can do")
    assert set(re.findall(r"(?m)^### (.*)$", text)) == ATTACKERS
    for attacker in ATTACKERS:
        about = part(text, f"### {attacker}")
        for lead in ("cannot", "can"):
            assert re.search(rf"(?m)^(It|They) {lead}\n\n- ", about), (attacker, lead)


@pytest.mark.parametrize(
    "named",
    [
        "tests/contract/test_nowhere.py::test_it",
        "tests/contract/test_security_doc.py::test_that_is_not_there",
        "tests/contract/test_security_doc.py::points.inner",
    ],
)
def test_a_test_that_is_not_there_is_found(root: Path, named: str) -> None:
    text = f"- a promise: `{named}`"
    assert missing(root, text) or not NAMED.search(text)
