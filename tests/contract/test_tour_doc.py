"""The tour of the code names functions and folders that exist."""

from __future__ import annotations

import importlib
import re
from operator import attrgetter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tour.md").read_text()
STEPS = re.findall(r"`([a-z_.]+):([A-Za-z_.]+)`", PAGE)
IDS = [":".join(step) for step in STEPS]
PLACES = re.findall(r"`((?:clawmatrix_\w+/)?(?:\w+/)*(?:\w+/|\w+\.py))`", PAGE)
FEATURES = PAGE.split("## Where each feature is\n")[1].split("\n## ")[0]
ROWS = re.findall(r"(?m)^\| (?!behaviour )([^|]+) \| ([^|]+) \|$", FEATURES)
FILES = sorted({name for _, cell in ROWS for name in re.findall(r"`([^`]+)`", cell)})
ADDED = (ROOT / "CHANGELOG.md").read_text().split("### Added\n")[1].split("\n### ")[0]
BULLETS = [" ".join(one.split()) for one in re.findall(r"(?m)^- .*(?:\n  .*)*", ADDED)]


def place(text: str) -> Path:
    """Return where a file or folder of the page is."""
    if text.startswith("clawmatrix_"):
        return ROOT / "plugins" / text
    if text.startswith(("tests/", "docs/")) or text in ("Makefile", "pyproject.toml"):
        return ROOT / text
    return ROOT / "clawmatrix_core" / text


def words_of(bullet: str) -> list[str]:
    """Return the words in a bullet that are commands, paths, options or names."""
    return re.findall(r"`([^`]+)`", bullet)


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
    for words, cell in ROWS:
        assert re.fullmatch(r"`[^`]+`(?:, `[^`]+`)?", cell), words


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_a_feature_exists(name: str) -> None:
    assert place(name).is_file()


def test_no_feature_is_said_twice() -> None:
    behaviours = [words for words, _ in ROWS]
    assert sorted(set(behaviours)) == sorted(behaviours)


@pytest.mark.parametrize("bullet", BULLETS)
def test_what_the_changelog_names_is_found_among_the_features(bullet: str) -> None:
    assert [word for word in words_of(bullet) if f"`{word}`" not in FEATURES] == []


def test_every_room_of_the_core_is_named() -> None:
    rooms = {path.parent.name for path in (ROOT / "clawmatrix_core").glob("*/__init__.py")}
    assert rooms <= {text.strip("/") for text in PLACES}
