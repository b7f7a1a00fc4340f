"""Writes the reference in docs/configuration.md from the code.

``python tests/contract/configuration_doc.py`` rewrites the file; a test holds it equal.
"""

from __future__ import annotations

from pathlib import Path

from clawmatrix_core.config.core import CoreConfig
from clawmatrix_core.config.docs import describe
from clawmatrix_core.config.named import load_class
from clawmatrix_core.kernel.registry import PluginRegistry

FILE = Path(__file__).parents[2] / "docs" / "configuration.md"
BEGIN, END = "<!-- reference: begin -->\n", "<!-- reference: end -->\n"


def render() -> str:
    """Return the reference of every key, a table for the core and for each plugin."""
    registry = PluginRegistry()
    registry.load()
    sections = sorted(registry.config_sections(), key=lambda section: section.table)
    parts = [_table("The core", "", CoreConfig)]
    parts += [_table(f"`[{s.table}]`", f"{s.table}.", load_class(s.type)) for s in sections]
    return "\n".join(parts)


def _table(title: str, prefix: str, cls: type) -> str:
    head = "| key | what it says | type | default | change |"
    lines = [f"## {title}", "", head, "|---|---|---|---|---|"]
    for doc in describe(cls):
        default = "required" if doc.required else _code(doc.default)
        change = "reload" if doc.reload else "restart"
        lines.append(f"| `{prefix}{doc.path}` | {doc.doc} | {doc.type} | {default} | {change} |")
    return "\n".join(lines).replace("`|`", "or") + "\n"


def _code(default: str | None) -> str:
    return default or ""


def whole() -> str:
    """Return the file with the reference made new."""
    head, rest = FILE.read_text().split(BEGIN)
    return head + BEGIN + render() + END + rest.split(END)[1]


if __name__ == "__main__":
    FILE.write_text(whole())
