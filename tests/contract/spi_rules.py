"""What plugins import of the core and reach through a node, read from their syntax trees."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PARTS", "Use", "chains", "documented", "imports", "plugin_files"]

ROOT = Path(__file__).parents[2]
CORE = "clawmatrix_core"
PARTS = frozenset(
    {
        "directory",
        "exchanges",
        "keyring",
        "revocations",
        "sessions",
        "stack",
        "switch",
        "trust",
    }
)
"""Parts of a node of which plugins use no more than the page says."""


@attrs.frozen
class Use:
    """Something that a file of a plugin uses of the core.

    Attributes:
        plugin: as users name it.
        place: the file and the line.
        module: where it is imported from; for what is reached through a node, nothing.
        name: what is imported; what is reached through a node, as ``switch.report``.
    """

    plugin: str
    place: str
    module: str
    name: str


def plugin_files(root: Path = ROOT) -> list[Path]:
    """Return every file of every built-in plugin."""
    return sorted((root / "plugins").rglob("*.py"))


def documented(table: str) -> dict[str, list[str]]:
    """Return the names in a table of docs/spi.md, each with its users, in the table's order."""
    text = (ROOT / "docs" / "spi.md").read_text()
    [found] = re.findall(rf"<!-- {table} -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    rows = [row.strip("| ").split(" | ") for row in found.splitlines()[2:]]
    return {name.strip("`"): users.split(", ") for name, _, users in rows}


def imports(file: Path, root: Path = ROOT) -> Iterator[Use]:
    """Yield what a file imports of the core, for type checkers too; ``*`` for a whole module."""
    plugin = _plugin(file, root)
    for node in ast.walk(ast.parse(file.read_text())):
        place = f"{file.relative_to(root)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.ImportFrom):
            if (node.module or "").partition(".")[0] == CORE:
                for alias in node.names:
                    yield Use(plugin, place, node.module or "", alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == CORE:
                    yield Use(plugin, place, alias.name, "*")


def chains(file: Path, root: Path = ROOT) -> Iterator[Use]:
    """Yield what a file reaches through a part of a node, and each part that it uses bare."""
    plugin = _plugin(file, root)
    tree = ast.parse(file.read_text())
    reached: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Attribute):
            continue
        if node.value.attr in PARTS:
            reached.add(id(node.value))
            place = f"{file.relative_to(root)}:{node.lineno}"
            yield Use(plugin, place, "", f"{node.value.attr}.{node.attr}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in PARTS and id(node) not in reached:
            yield Use(plugin, f"{file.relative_to(root)}:{node.lineno}", "", node.attr)


def _plugin(file: Path, root: Path) -> str:
    package = file.relative_to(root / "plugins").parts[0]
    return package.removeprefix("clawmatrix_").replace("_", "-")
