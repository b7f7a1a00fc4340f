"""Links between the pages: every file and every heading that one names is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.cli.context import ExitCode
from clawmatrix_grants.commands.checking import EXIT_CODES
from clawmatrix_mesh.commands.join import JoinExitCode

if TYPE_CHECKING:
    from pathlib import Path

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def pages(root: Path) -> dict[Path, str]:
    """Return every page of the documentation, without its blocks of code."""
    found = [*root.glob("*.md"), *root.glob("docs/*.md")]
    return {path: re.sub(r"(?ms)^ *```.*?^ *```", "", path.read_text()) for path in found}


def anchors(text: str) -> set[str]:
    """Return what the headings of a page can be linked to by."""
    headings = re.findall(r"(?m)^#+ (.*)$", text)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in kept}


def broken(root: Path) -> list[str]:
    texts = pages(root)
    found = []
    for page, text in texts.items():
        for link in LINK.findall(text):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            missing = not target.exists() or not target.is_relative_to(root)
            if missing or (anchor and anchor not in anchors(texts.get(target, ""))):
                found.append(f"{page.relative_to(root)}: {link}")
    return found


def test_every_link_between_the_pages_leads_somewhere(root: Path) -> None:
    assert broken(root) == []


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("[a](docs/nowhere.md)", "docs/nowhere.md"),
        ("[a](#nowhere)", "#nowhere"),
        ("[a](b.md#nowhere)", "b.md#nowhere"),
        ("[a](../outside.md)", "../outside.md"),
    ],
)
def test_a_broken_link_is_found(tmp_path: Path, text: str, link: str) -> None:
    (tmp_path / "b.md").write_text("# Some heading: it's `here`\n[x](#some-heading-its-here)\n")
    (tmp_path / "a.md").write_text(f"# A\n[good](b.md#some-heading-its-here) {text}\n")
    assert broken(tmp_path) == [f"a.md: {link}"]


def test_every_page_is_linked_from_the_readme(root: Path) -> None:
    linked = {link.partition("#")[0] for link in LINK.findall((root / "README.md").read_text())}
    assert {f"docs/{path.name}" for path in root.glob("docs/*.md")} <= linked


def test_the_exit_codes_are_the_codes(root: Path) -> None:
    section = (root / "docs" / "cli.md").read_text().split("## Exit codes")[1].split("\n## ")[0]
    listed = [int(code) for code in re.findall(r"(?m)^\| (\d+) \|", section)]
    assert listed == sorted({*ExitCode, *JoinExitCode, *EXIT_CODES.values()})
