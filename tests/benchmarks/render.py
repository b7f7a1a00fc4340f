"""Writes the tables of ``docs/benchmarks.md`` from the results of the benchmarks.

``python -m tests.benchmarks.render [RESULTS.json ...]``

Without files, those in ``tests/benchmarks/results`` are taken. What stands between the two
marks of the page is replaced; the words around them are a person's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.harness import ROOT, figure

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["render", "replace"]

PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = Path(__file__).parent / "results"
BEGIN = "<!-- results: written by python -m tests.benchmarks.render -->"
END = "<!-- end of results -->"
TITLES = {
    "dispatch": "Cost of a frame inside a node",
    "relay": "One relay",
    "models": "Model calls over two hops",
    "pairs": "Clients of each API before upstreams of each",
    "cancel": "A client that leaves",
    "sealing": "What the seal costs",
    "grants": "A decision by the grants",
    "tools": "Tools over a relay",
    "mcp": "Proxies before one MCP server",
    "knowledge": "Two folders kept the same",
}
_HEAD = "| measure | ours | peer | ratio | target |\n|---|---|---|---|---|\n"


def render(reports: Sequence[dict[str, Any]]) -> str:
    """Return the tables of some reports, each with what it was measured on."""
    known = {name: at for at, name in enumerate(TITLES)}
    ordered = sorted(reports, key=lambda report: known[report["benchmark"]])
    return "\n".join(_section(report) for report in ordered)


def _section(report: dict[str, Any]) -> str:
    machine, settings = report["machine"], report["settings"]
    used = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    pinned = "pinned" if settings.get("pinned") else "not pinned"
    return (
        f"### {TITLES[report['benchmark']]}\n\n"
        f"{machine['cores']} cores ({machine['cpu']}), {machine['system']}, Python"
        f" {machine['python']}; {used}. Medians of {settings['rounds']} rounds, {pinned}.\n\n"
        + _HEAD
        + "".join(map(_line, report["rows"]))
    )


def _line(row: dict[str, Any]) -> str:
    spread = row["spread"] or ((), ())
    ours = _cell(row["ours"], row["unit"], spread[0])
    peer = _cell(row["peer"], row["unit"], spread[1], row["peer_name"])
    cells = (row["measure"], ours, peer, _ratio(row["ratio"]), row["target"] or "")
    return "| " + " | ".join(cells) + " |\n"


def _cell(value: float | None, unit: str, spread: Sequence[float], name: str | None = None) -> str:
    if value is None:
        return ""
    who = f"{name}: " if name else ""
    ends = ""
    if spread and spread[0] != spread[1]:
        ends = f" ({figure(spread[0])} to {figure(spread[1])})"
    return f"{who}{figure(value)} {unit}{ends}"


def _ratio(value: float | None) -> str:
    return "" if value is None else figure(value)


def replace(page: str, tables: str) -> str:
    """Return the page with its tables replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables}\n{END}{after}"


def main() -> None:
    """Write the page from the files that are named."""
    write(*map(Path, sys.argv[1:]))


def write(*files: Path) -> None:
    """Write the page from some results, or from all there are."""
    files = files or tuple(sorted(RESULTS.glob("*.json")))
    tables = render([json.loads(file.read_text()) for file in files])
    PAGE.write_text(replace(PAGE.read_text(), tables))


if __name__ == "__main__":
    main()
