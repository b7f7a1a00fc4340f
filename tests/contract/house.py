"""Measures the rooms of the product, and writes their table in docs/design.md.

``python -m tests.contract.house`` rewrites the file; a test holds it equal.
"""

from __future__ import annotations

import ast
import functools
import io
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CORE = ROOT / "clawmatrix_core"
PLUGINS = ROOT / "plugins"
FILE = ROOT / "docs" / "design.md"
BEGIN, END = "<!-- rooms: begin -->\n", "<!-- rooms: end -->\n"

_NOT_CODE = frozenset(
    {
        tokenize.COMMENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
        tokenize.INDENT,
        tokenize.NEWLINE,
        tokenize.NL,
    }
)
_MAY_HAVE_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@attrs.frozen
class Size:
    """How long some files are.

    Attributes:
        files: how many there are.
        code: lines that are neither blank nor a comment nor a part of a docstring.
        lines: all lines.
    """

    files: int = 0
    code: int = 0
    lines: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(self.files + other.files, self.code + other.code, self.lines + other.lines)


def module_of(file: Path) -> str:
    """Return the name by which a file of the product is imported."""
    place = file.relative_to(PLUGINS if file.is_relative_to(PLUGINS) else ROOT)
    return ".".join(place.with_suffix("").parts).removesuffix(".__init__")


def product_files() -> list[Path]:
    """Return all files of Python in the core and in the plugins."""
    return sorted(CORE.rglob("*.py")) + sorted(PLUGINS.rglob("*.py"))


def size(text: str) -> Size:
    """Return how long one source text is."""
    return Size(1, len(_lines_of_tokens(text) - _lines_of_docstrings(text)), text.count("\n"))


def _lines_of_tokens(text: str) -> set[int]:
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NOT_CODE:
            found.update(range(token.start[0], token.end[0] + 1))
    return found


def _lines_of_docstrings(text: str) -> set[int]:
    """Return the lines of strings that stand alone, also those below an attribute."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, _MAY_HAVE_DOCSTRING):
            for statement in node.body:
                if _is_docstring(statement):
                    found.update(range(statement.lineno, (statement.end_lineno or 0) + 1))
    return found


def _is_docstring(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(ast.Constant(str())):
            return True
    return False


def size_of(*places: Path) -> Size:
    """Return how long files are, and all files of folders."""
    total = Size()
    for place in places:
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            total += _size_of_file(file)
    return total


@functools.cache
def _size_of_file(file: Path) -> Size:
    return size(file.read_text())


# --- the table


def render() -> str:
    """Return the table of rooms."""
    lines = ["| room | what is there | files | lines of code | lines |", "|---|---|--:|--:|--:|"]
    lines += _package(CORE)
    for plugin in sorted(PLUGINS.glob("clawmatrix_*")):
        lines += _package(plugin)
    return "\n".join(lines) + "\n"


def _package(package: Path) -> Iterator[str]:
    yield _row(f"**`{package.name}/`**", purpose(package), size_of(package), "**")
    for room in sorted(rooms(package)):
        yield _row(f"`{room.relative_to(package)}/`", purpose(room), size_of(room))


def rooms(package: Path) -> list[Path]:
    """Return the folders of a package, at every depth."""
    return [file.parent for file in package.rglob("__init__.py") if file.parent != package]


def purpose(folder: Path) -> str:
    """Return the first line of a package's docstring."""
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    return text.split("\n")[0].replace("``", "`").rstrip(".")


def _row(name: str, what: str, found: Size, strong: str = "") -> str:
    numbers = [f"{strong}{number:,}{strong}" for number in (found.files, found.code, found.lines)]
    return "| " + " | ".join([name, what, *numbers]) + " |"


def whole() -> str:
    """Return the file with the table made new."""
    head, rest = FILE.read_text().split(BEGIN)
    return head + BEGIN + render() + END + rest.split(END)[1]


if __name__ == "__main__":
    FILE.write_text(whole())
