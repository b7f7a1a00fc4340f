"""The page on clients: each has a set-up, and tests that exist or the words that there are none.

Tables that a run wrote are of a run with the releases that the tests now have.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.sdk.clients import tried

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
    "Vercel's AI SDK",
    "LangChain for JavaScript",
    "pydantic-ai",
    "OpenAI Agents SDK",
    "Older SDKs",
    "opencode",
    "pi",
    "aider",
)
UPSTREAMS = ("llama.cpp", "LiteLLM")
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def rows(page: str) -> dict[str, str]:
    """Return what the first table says of each client's tests."""
    first = page.split("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in first.splitlines() if line.startswith("| ")]
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


@pytest.mark.parametrize("client", [*CLIENTS, *UPSTREAMS])
def test_each_client_has_a_set_up(page: str, client: str) -> None:
    section = page.split(f"\n## {client}\n")[1].split("\n## ")[0]
    assert "```" in section


@pytest.mark.parametrize("client", CLIENTS)
def test_each_client_has_tests_that_exist(root: Path, page: str, client: str) -> None:
    word = re.compile(rf"\b{re.escape(client.split()[0])}\b")
    told = {name: told for name, told in rows(page).items() if word.search(name)}
    assert told
    assert [missing(root, tests) for tests in told.values()] == [[]] * len(told)


@pytest.mark.parametrize(
    "told", ["", "tried", "`tests/sdk/nothing.py`", "`tests/sdk/test_anthropic.py::test_nothing`"]
)
def test_a_test_that_is_not_there_is_noticed(root: Path, told: str) -> None:
    assert missing(root, told)


def pins(root: Path) -> set[str]:
    """Return the releases of others' programs that the tests run, as the tables have them."""
    folder = root / "tests/sdk/clients"
    found: set[str] = set()
    for package in folder.glob("npm/*/package.json"):
        told = json.loads(package.read_text())
        needs = told.get("dependencies", {}) | told.get("optionalDependencies", {})
        found |= {f"`{name}` {version}" for name, version in needs.items()}
    for requirements in folder.glob("python/*.txt"):
        for line in requirements.read_text().splitlines():
            name, is_pinned, version = line.partition("==")
            if is_pinned:
                found.add(f"`{name.split('[')[0]}` {version}")
    return found


def test_each_table_is_of_a_run_with_the_releases_of_today(root: Path, page: str) -> None:
    tables = [found[0] for found in tried.TABLE.finditer(page)]
    assert len(tables) == len(tried.TABLE.findall(page)) > 10
    assert [table.splitlines()[0] for table in tables if "\n| " not in table] == []
    ran = {
        version
        for table in tables
        for version in re.findall(r"`[^`]+` [\d.]+\d", table.split("\n\n")[0])
    }
    # what a program of the tests needs beside the client
    beside = {pin for pin in pins(root) if pin.split("`")[1] in ("zod", "gguf")}
    assert pins(root) - ran - beside == set()


def test_each_run_has_its_place_on_the_page(root: Path, page: str) -> None:
    named = {found[2] for found in tried.TABLE.finditer(page)}
    source = "".join(path.read_text() for path in (root / "tests/sdk/clients").glob("test_*.py"))
    added = set(re.findall(r'tried\.add\(\s*f?"([^"{]+)', source))
    assert {name.rstrip("567 ").strip() for name in named} == {name.strip() for name in added}


def test_a_run_writes_its_tables_and_leaves_the_others() -> None:
    page = "a\n<!-- tried: x -->\nold\n<!-- end -->\nb\n<!-- tried: y -->\nkept\n<!-- end -->\n"
    worked = dict.fromkeys(tried.UPSTREAMS)
    uses = {
        "words": worked,
        "pictures": {**worked, "messages": "no"},
        "vectors": {"responses": None},
    }
    rows = {"chat": {"versions": {"x": "1.2"}, "uses": uses}}
    assert tried.written(page, {"x": rows}) == (
        "a\n<!-- tried: x -->\n"
        "The upstreams before which it worked, with `x` 1.2.\n\n"
        "| asked by | words | pictures | vectors |\n|---|---|---|---|\n"
        "| chat | all three | chat, Responses | Responses |\n\n"
        "- Fails: chat, pictures, before Messages.\n<!-- end -->\n"
        "b\n<!-- tried: y -->\nkept\n<!-- end -->\n"
    )
