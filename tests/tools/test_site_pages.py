"""The site: its first page is the README, and every page has a place in the navigation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.tools.site_pages import ROOT, on_page_markdown

if TYPE_CHECKING:
    from pathlib import Path


def pages_of_the_navigation(root: Path) -> list[str]:
    text = (root / "mkdocs.yml").read_text().split("\nnav:")[1]
    return re.findall(r": ([\w-]+\.md)$", text, re.MULTILINE)


def test_every_page_has_one_place_in_the_navigation() -> None:
    made = ["index.md", "changelog.md"]
    pages = [page.name for page in ROOT.glob("docs/*.md")]
    assert sorted(pages_of_the_navigation(ROOT)) == sorted(pages + made)


def test_links_out_of_the_folder_lead_to_pages_of_the_site() -> None:
    text = "[a](../CHANGELOG.md) [b](../README.md#what-it-does) [c](grants.md)"
    expected = "[a](changelog.md) [b](index.md#what-it-does) [c](grants.md)"
    assert on_page_markdown(text) == expected
