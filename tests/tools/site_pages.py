"""Pages of the site that are not in docs/: MkDocs calls the functions here for ``make docs``.

README.md is the first page and CHANGELOG.md the last; links to them and from them are made to fit.
The files themselves stay as they are, for readers on a git host.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

__all__ = ["on_files", "on_page_markdown"]

ROOT = Path(__file__).parents[2]
_STYLE = ".md-grid { max-width: 76rem } .md-typeset pre > code { font-size: 0.75em }\n"
"""A drawing of 80 columns fits beside the contents on a desktop."""


def on_files(files: Files, /, *, config: MkDocsConfig) -> Files:
    """Add the pages that are made of files outside of docs/."""
    from mkdocs.structure.files import File

    for name, source in {"index.md": "README.md", "changelog.md": "CHANGELOG.md"}.items():
        text = (ROOT / source).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    files.append(File.generated(config, "site.css", content=_STYLE))
    return files


def on_page_markdown(markdown: str, /, **_: object) -> str:
    """Return the text of a page with its links to files outside of docs/ turned to pages."""
    links = {"](../CHANGELOG.md": "](changelog.md", "](../README.md": "](index.md"}
    for link, page in links.items():
        markdown = markdown.replace(link, page)
    return markdown
