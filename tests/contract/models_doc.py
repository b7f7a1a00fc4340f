"""Writes the failover table in docs/models.md from the code.

``python tests/contract/models_doc.py`` rewrites the file; a test holds it equal.
"""

from __future__ import annotations

from pathlib import Path

from clawmatrix_model_proxy.asking.failover import TABLE, Rule

FILE = Path(__file__).parents[2] / "docs" / "models.md"
BEGIN, END = "<!-- failover: begin -->\n", "<!-- failover: end -->\n"


def render() -> str:
    """Return the table."""
    lines = ["| what went wrong | what is done | counts against it | why |", "|---|---|---|---|"]
    lines += [_row(rule) for rule in TABLE]
    return "\n".join(lines) + "\n"


def _row(rule: Rule) -> str:
    done = rule.action.value
    if rule.retries:
        times = {1: "once more", 2: "twice more"}[rule.retries]
        done = f"{times} here, then the next candidate"
    what = rule.about
    if rule.codes:
        what += " (" + ", ".join(f"`{code}`" for code in sorted(rule.codes)) + ")"
    return f"| {what} | {done} | {'yes' if rule.counts else 'no'} | {rule.why} |"


def whole() -> str:
    """Return the file with the table made new."""
    head, rest = FILE.read_text().split(BEGIN)
    return head + BEGIN + render() + END + rest.split(END)[1]


if __name__ == "__main__":
    FILE.write_text(whole())
