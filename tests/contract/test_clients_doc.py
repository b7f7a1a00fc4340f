"""The page on clients: each has a set-up, and tests that exist or the words that there are none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CLIENTS = (
    "OpenAI SDK",
    "Anthropic SDK",
    "llm",
    "LangChain",
    "OpenClaw",
    "Claude Code",
    "Codex",
)
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def rows(page: str) -> dict[str, str]:
    """Return what the table says of each client's tests."""
    cells = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    return {row[0]: row[-1] for row in cells[1:]}


def missing(root: Path, told: str) -> list[str]:
    """Return what is wrong with what is said of a client's tests."""
    if told == "not tested":
        return []
    named = TEST.findall(told)
    found = [] if named else [f"names no test: {told}"]
    for file, test in named:
        path = root / file
        text = path.read_text() if path.is_file() else ""
        if f"\ndef {test or 'test_'}" not in text:
            found.append(f"{file}::{test}")
    return found


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "clients.md").read_text()


@pytest.mark.parametrize("client", CLIENTS)
def test_each_client_has_a_set_up(page: str, client: str) -> None:
    section = page.split(f"\n## {client}\n")[1].split("\n## ")[0]
    assert "```" in section


@pytest.mark.parametrize("client", CLIENTS)
def test_each_client_has_tests_that_exist(root: Path, page: str, client: str) -> None:
    told = {name: told for name, told in rows(page).items() if client.split()[0] in name}
    assert told
    assert [missing(root, tests) for tests in told.values()] == [[]] * len(told)


@pytest.mark.parametrize(
    "told", ["", "tried", "`tests/sdk/nothing.py`", "`tests/sdk/test_anthropic.py::test_nothing`"]
)
def test_a_test_that_is_not_there_is_noticed(root: Path, told: str) -> None:
    assert missing(root, told)
