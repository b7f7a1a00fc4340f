"""The security page: each promise has a name, and a row with its tests in the table at the end."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

TABLE = "\n## What shows each promise\n"
TEST = re.compile(r"`(tests/[\w/]+\.py::test_\w+)`")
PROMISE = re.compile(r"(?m)^(?:- )?\*\*([A-Z]\d+)\*\* ")
ATTACKERS = {
    "Someone who changes the audit",
    "Someone on the network",
    "A curious or malicious relay",
    "A malicious member",
    "A malicious upstream",
    "Another user of the machine",
    "Someone who has stolen a laptop",
    "Someone whose calls wait for a person",
    "A malicious web page",
    "A program without the token",
    "A program that has the token",
    "A malicious plugin",
}
UNPROMISED = {"What is not promised"}
"""Sections whose points are no promises."""


def split(page: str) -> tuple[str, str]:
    """Return what stands before the table of tests, and the table."""
    text, table = page.split(TABLE)
    return text, table


def part(text: str, heading: str) -> str:
    """Return what stands under a heading, with what is below it."""
    level = heading.split()[0]
    return re.split(rf"(?m)^#{{1,{len(level)}}} ", text.split(f"{heading}\n", 1)[1])[0]


def rows(table: str) -> dict[str, list[str]]:
    """Return the tests of each promise."""
    lines = [line for line in table.splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: TEST.findall(tests) for name, tests in cells}


def wrong(page: str) -> list[str]:
    """Return what is wrong with the promises and their table, but for the tests themselves."""
    text, table = split(page)
    named, shown = PROMISE.findall(text), rows(table)
    found = [f"{name} names two promises" for name, times in Counter(named).items() if times > 1]
    found += [f"{name} has no row" for name in named if name not in shown]
    found += [f"{name} is a row without a promise" for name in shown if name not in named]
    found += [f"{name} has no test" for name, tests in shown.items() if not tests]
    found += [f"no sentence names a test: {word}" for word in re.findall(r"\S*\btest_\w+", text)]
    for heading in re.findall(r"(?m)^#{2,3} .*$", text):
        if heading.lstrip("# ") not in UNPROMISED:
            own = re.split(r"(?m)^#", part(text, heading))[0]
            points = re.findall(r"(?m)^- .*$", own)
            found += [f"no promise: {one}" for one in points if not PROMISE.match(one)]
    return found


def page(root: Path) -> str:
    return (root / "docs" / "security.md").read_text()


def test_each_promise_has_a_row_and_no_sentence_names_a_test(root: Path) -> None:
    assert wrong(page(root)) == []
    assert len(rows(split(page(root))[1])) > 100


def test_each_test_of_the_table_is_one_that_make_test_runs(
    root: Path, everyday: Callable[[Collection[str]], list[str]]
) -> None:
    table = split(page(root))[1]
    named = set(TEST.findall(table))
    assert len(TEST.findall(table)) == table.count("::"), "a name that is not read"
    files = sorted({name.partition("::")[0] for name in named})
    collected = {name.partition("[")[0] for name in everyday(files)}
    assert named - collected == set()


def test_each_attacker_has_what_it_can_and_what_it_cannot_do(root: Path) -> None:
    text = part(page(root), "## Attackers, and what they can do")
    assert set(re.findall(r"(?m)^### (.*)$", text)) == ATTACKERS
    for attacker in ATTACKERS:
        about = part(text, f"### {attacker}")
        for lead in ("cannot", "can"):
            assert re.search(rf"(?m)^(It|They) {lead}\n\n- ", about), (attacker, lead)


RIGHT = (
    "\n## A\n\n- **A1** one\n\n**A2** two\n\n## What is not promised\n\n- three\n"
    f"{TABLE}\n| promise | tests |\n|---|---|\n"
    "| A1 | `tests/test_a.py::test_b` |\n| A2 | `tests/test_a.py::test_b` |\n"
)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("two\n", "two\n", []),
        ("**A2**", "**A1**", ["A1 names two promises", "A2 is a row without a promise"]),
        ("**A2**", "**A3**", ["A3 has no row", "A2 is a row without a promise"]),
        ("| A2 | `tests/test_a.py::test_b` |", "| A2 | |", ["A2 has no test"]),
        ("two\n", "two, see `test_b`\n", ["no sentence names a test: `test_b"]),
        ("one\n", "one\n- more\n", ["no promise: - more"]),
    ],
)
def test_what_is_wrong_is_found(old: str, new: str, told: list[str]) -> None:
    assert wrong(RIGHT.replace(old, new)) == told
