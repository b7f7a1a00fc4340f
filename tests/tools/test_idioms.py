"""Phrases that have to be read twice are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tools.idioms import IDIOMS, idioms

if TYPE_CHECKING:
    from pathlib import Path

PLANTED = [
    "a record that is none",
    "the word is none of these",
    "sends what is due",
    "evict who has most",
    "Whose the file is",
    "It is as if nobody came",
    "Those of who came first",
    "the key of who sent it",
    "an error for who catches it",
    "none may have another",
    '"""By what it waits longer."""',
]


@pytest.mark.parametrize("sentence", PLANTED)
def test_a_planted_idiom_is_found_with_its_place(tmp_path: Path, sentence: str) -> None:
    (tmp_path / "page.md").write_text(f"# A page\n\n{sentence}\n")
    found = idioms(tmp_path, ["page.md"])
    assert found
    assert all(line.startswith("page.md:3: ") for line in found)


def test_every_idiom_of_the_list_is_planted_here(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("\n".join(PLANTED))
    advice = {line.split(": ", 2)[2] for line in idioms(tmp_path, ["page.md"])}
    assert advice == set(IDIOMS.values())


def test_plain_sentences_pass(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("The owner of the file decides.\nfor who in names:\n")
    assert idioms(tmp_path, ["page.md"]) == []
