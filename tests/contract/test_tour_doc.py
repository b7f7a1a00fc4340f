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


def place(text: str) -> Path:
    """Return where a file or folder of the page is."""
    if text.startswith("clawmatrix_"):
        return ROOT / "plugins" / text
    return ROOT / "clawmatrix_core" / text


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


def test_every_room_of_the_core_is_named() -> None:
    rooms = {path.parent.name for path in (ROOT / "clawmatrix_core").glob("*/__init__.py")}
    assert rooms <= {text.strip("/") for text in PLACES}
