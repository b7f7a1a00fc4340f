"""Finds the bounds that the product declares, and writes their table in docs/security.md.

``python -m tests.contract.bounds_doc`` rewrites the file; a test holds it equal.
"""

from __future__ import annotations

import ast
import importlib
from typing import TYPE_CHECKING

from clawmatrix_core.base.bounds import Bound
from tests.contract.house import ROOT, module_of, product_files

if TYPE_CHECKING:
    from pathlib import Path

FILE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- bounds: begin -->\n", "<!-- bounds: end -->\n"


def declared() -> dict[str, Bound]:
    """Return all bounds by ``module.NAME``."""
    found: dict[str, Bound] = {}
    for file in product_files():
        for name in _names_in(file):
            module = module_of(file)
            bound = getattr(importlib.import_module(module), name)
            assert isinstance(bound, Bound), f"{module}.{name}"
            found[f"{module}.{name}"] = bound
    return found


def _names_in(file: Path) -> list[str]:
    """Return the names at the top of a module to which it assigns a bound."""
    text = file.read_text()
    if "Bound(" not in text:  # few do, and to parse the others takes most of the time
        return []
    return [
        target.id
        for statement in ast.parse(text).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
        and isinstance(statement.value, ast.Call)
        and ast.unparse(statement.value.func).split(".")[-1] == "Bound"
    ]


def render() -> str:
    """Return the table of bounds."""
    lines = ["| bound | most | filled by | beyond it | declared in |", "|---|--:|---|---|---|"]
    for name, bound in declared().items():
        module, _, constant = name.rpartition(".")
        lines.append(
            f"| {bound.of} | {bound.text} | {bound.fed_by} | {bound.when_full} "
            f"| `{module}`: `{constant}` |"
        )
    return "\n".join(lines) + "\n"


def whole() -> str:
    """Return the file with the table made new."""
    head, rest = FILE.read_text().split(BEGIN)
    return head + BEGIN + render() + END + rest.split(END)[1]


if __name__ == "__main__":
    FILE.write_text(whole())
