"""The tour of the code names functions and folders that exist."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from functools import cache
from operator import attrgetter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tour.md").read_text()
STEPS = re.findall(r"`([a-z_.]+):([A-Za-z_.]+)`", PAGE)
IDS = [":".join(step) for step in STEPS]
PLACES = re.findall(r"`((?:clawmatrix_\w+/)?(?:\w+/)*(?:\w+/|\w+\.py))`", PAGE)
FEATURES = PAGE.split("## Where each feature is\n")[1].split("\n## ")[0]
CHANGES = (ROOT / "CHANGELOG.md").read_text()
COMMON = {"the", "and", "that", "for", "with", "its", "has", "are", "not", "was", "where", "one"}
COMMON |= {"may", "which", "from", "says"}
ENOUGH = 0.5
"""The likeness that a row has at least to the line that it is for."""

Row = tuple[str, str, str]
"""A heading, a behaviour, and the cell that names its files."""
Line = tuple[str, str]
"""A heading of the changelog, and a line below it."""


def place(text: str) -> Path:
    """Return where a file or folder of the page is."""
    if text.startswith("clawmatrix_"):
        return ROOT / "plugins" / text
    if text.startswith(("tests/", "docs/")) or text in ("Makefile", "pyproject.toml"):
        return ROOT / text
    return ROOT / "clawmatrix_core" / text


def rows_of(features: str) -> list[Row]:
    """Return the rows of all tables."""
    return [
        (section.partition("\n")[0], words, cell)
        for section in features.split("### ")[1:]
        for words, cell in re.findall(r"(?m)^\| (?!behaviour )([^|]+) \| ([^|]+) \|$", section)
    ]


def lines_of(changes: str) -> list[Line]:
    """Return the lines of a changelog, each with the nearest heading above it."""
    heading, found = "", []
    for block in re.findall(r"(?m)^#{3,4} .*|^- .*(?:\n  .*)*", changes):
        if block.startswith("#"):
            heading = block.strip("# ")
        else:
            found.append((heading, " ".join(block[2:].split())))
    return found


@cache
def words_of(text: str) -> set[str]:
    """Return the words that tell one behaviour from another, by their first six letters."""
    words = {word[:6] for word in re.findall(r"[a-z0-9_]{3,}", text.lower())}
    return words - COMMON


def likeness(line: str, row: str) -> float:
    """Return how alike a line, or its first sentence, and a row are: 0 to 1."""
    there = words_of(row)
    wanted = words_of(re.split(r"[.;] ", line)[0]), words_of(line)
    return max(2 * len(words & there) / (len(words) + len(there)) for words in wanted)


def rows_like(line: str, rows: list[Row]) -> list[tuple[float, Row]]:
    """Return the two rows of all tables that are most like a line, the best one first."""
    return sorted(((likeness(line, row[1]), row) for row in rows), reverse=True)[:2]


ROWS = rows_of(FEATURES)
LINES = lines_of(CHANGES)
FILES = sorted({name for _, _, cell in ROWS for name in re.findall(r"`([^`]+)`", cell)})


@cache
def picked() -> dict[Line, list[tuple[float, Row]]]:
    """Return the two rows that are most like each line of the changelog."""
    return {line: rows_like(line[1], ROWS) for line in LINES}


def test_the_page_has_two_walks_and_an_order() -> None:
    assert len(STEPS) > 40
    assert len(PLACES) > 25


@pytest.mark.parametrize(
    ("module", "name"), STEPS, ids=[f"{module}:{name}" for module, name in STEPS]
)
def test_every_function_that_is_named_exists(module: str, name: str) -> None:
    package = module if module.startswith("clawmatrix_") else f"clawmatrix_core.{module}"
    assert attrgetter(name)(importlib.import_module(package)) is not None


@pytest.mark.parametrize("text", sorted(set(PLACES)))
def test_every_place_that_is_named_exists(text: str) -> None:
    assert place(text).exists()


def test_every_row_of_a_feature_names_one_file_or_two() -> None:
    assert len(ROWS) == FEATURES.count("\n| ") - FEATURES.count("\n| behaviour ")
    for _, words, cell in ROWS:
        assert re.fullmatch(r"`[^`]+`(?:, `[^`]+`)?", cell), words


def test_every_file_of_a_feature_exists() -> None:
    assert len(FILES) > 100
    assert [name for name in FILES if not place(name).is_file()] == []


def test_no_feature_is_said_twice() -> None:
    behaviours = [words for _, words, _ in ROWS]
    assert sorted(set(behaviours)) == sorted(behaviours)


def test_a_line_of_the_changelog_has_a_row_that_is_more_like_it_than_all_others() -> None:
    assert len(LINES) > 200
    assert {line: said for line in LINES if (said := wrong_with(line))} == {}


def wrong_with(line: Line) -> str | None:
    """Return what is wrong with the row that is most like a line."""
    (best, row), (second, _) = picked()[line]
    if best < ENOUGH:
        return f"no row is like it; the nearest is {row[1]!r}"
    if best <= second:
        return f"two rows are as much like it; one is {row[1]!r}"
    return None if row[0] == line[0] else f"its row is under {row[0]!r}"


def test_no_row_is_for_two_lines() -> None:
    rows = [row for (_, row), _ in picked().values()]
    assert sorted(set(rows)) == sorted(rows)


def test_a_row_that_is_taken_out_is_missed() -> None:
    firsts = Counter(row for (_, row), _ in picked().values())
    unmissed = [
        line
        for line, ((_, own), (second, row)) in picked().items()
        if second >= ENOUGH and row[0] == line[0] and not firsts[row] - (row == own)
    ]
    assert unmissed == []


def test_every_room_of_the_core_is_named() -> None:
    rooms = {path.parent.name for path in (ROOT / "clawmatrix_core").glob("*/__init__.py")}
    assert rooms <= {text.strip("/") for text in PLACES}
