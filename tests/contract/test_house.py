"""The rooms are small enough to be seen at a glance, and the page on design measures them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.house import CORE, FILE, ROOT, Size, product_files, rooms, size, size_of, whole

if TYPE_CHECKING:
    from pathlib import Path

MOST_LINES = 400
MOST_ON_THE_SHELF = 12
KERNEL = Size(files=40, code=1800, lines=3000)

SOURCE = '''"""A module.

Of two lines.
"""

# a comment
import os  # beside code


class One:
    """A class."""

    name: str = """not
a docstring"""
    """What the name is."""

    def two(self) -> str:
        """Return
        it."""
        return os.path.join(
            "a",  # first

            "b",
        )
'''


def test_no_file_is_too_long() -> None:
    lines = {file: file.read_text().count("\n") for file in product_files()}
    assert len(lines) > 200
    assert {_name(file): n for file, n in lines.items() if n > MOST_LINES} == {}


def test_the_top_shelf_of_the_core_is_short() -> None:
    shelf = [file.name for file in CORE.glob("*.py")]
    assert "hookspecs.py" in shelf
    assert len(shelf) <= MOST_ON_THE_SHELF, shelf


def test_the_kernel_with_its_hooks_is_small() -> None:
    found = size_of(CORE / "kernel", CORE / "hookspecs.py")
    assert 0 < found.code <= KERNEL.code, found
    assert 0 < found.lines <= KERNEL.lines, found


def test_every_folder_says_what_it_is_for() -> None:
    packages = {file.parent for file in product_files() if file.name == "__init__.py"}
    assert {file.parent for file in product_files()} == packages
    assert {_name(room) for room in rooms(CORE)} >= {
        f"clawmatrix_core/{name}"
        for name in ("base", "config", "doctor", "exchange", "kernel", "members", "sessions")
    }


def test_the_table_of_rooms_is_what_is_there() -> None:
    assert FILE.read_text() == whole(), "run: make docs-tables"


def test_lines_of_code_are_neither_blank_nor_comments_nor_docstrings() -> None:
    assert size(SOURCE) == Size(files=1, code=9, lines=24)


@pytest.mark.parametrize(("text", "code"), [("", 0), ("# nothing\n", 0), ("x = 1\n\n\ny = 2\n", 2)])
def test_the_code_of_short_texts_is_counted(text: str, code: int) -> None:
    assert size(text).code == code


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
