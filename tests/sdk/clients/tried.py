"""What the last run of each client saw: kept in a file, and written into the documentation.

`make clients` runs this after the tests: the tables of docs/clients.md come from what was kept.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
KEPT = ROOT / ".clients" / "tried.json"
PAGE = ROOT / "docs" / "clients.md"
UPSTREAMS = {"completions": "chat", "responses": "Responses", "messages": "Messages"}
"""What an upstream is called in the tables, by the test's name for its model."""
TABLE = re.compile(r"(<!-- tried: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


@attrs.define
class Tried:
    """What each client did: by its name and what it was asked by, versions and uses.

    A use has an outcome for each upstream: None where it worked, else what went wrong.
    """

    clients: dict[str, dict[str, Any]] = attrs.field(factory=dict)

    @classmethod
    @contextmanager
    def kept(cls, file: Path) -> Iterator[Tried]:
        """Read what earlier runs saw, and write it back with what this one adds."""
        tried = cls(json.loads(file.read_text()) if file.is_file() else {})
        yield tried
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(tried.clients, indent=1))

    def add(self, client: str, speaks: str, upstream: str, seen: dict[str, Any]) -> dict[str, str]:
        """Keep what a program reported; return what went wrong, by use."""
        row = self.clients.setdefault(client, {}).setdefault(speaks, {"uses": {}})
        row["versions"] = seen["versions"]
        found: dict[str, str | None] = seen["found"]
        for use, wrong in found.items():
            row["uses"].setdefault(use, {})[upstream] = wrong
        return {use: wrong for use, wrong in found.items() if wrong is not None}


def cell(outcomes: dict[str, str | None]) -> str:
    """Return the names of the upstreams before which a use worked."""
    worked = [UPSTREAMS.get(name, name) for name in _ordered(outcomes) if outcomes[name] is None]
    if len(worked) == len(UPSTREAMS) == len(outcomes):
        return "all three"
    return ", ".join(worked) or "-"


def table(rows: dict[str, Any]) -> str:
    """Return a client's table, what did not work, and the versions that were run."""
    uses = list(dict.fromkeys(use for row in rows.values() for use in row["uses"]))
    lines = [f"| asked by | {' | '.join(uses)} |", "|---" * (len(uses) + 1) + "|"]
    for speaks, row in sorted(rows.items()):
        cells = [cell(row["uses"].get(use, {})) for use in uses]
        lines.append(f"| {speaks} | {' | '.join(cells)} |")
    failed = [
        f"- Fails: {speaks}, {use}, before {UPSTREAMS.get(upstream, upstream)}."
        for speaks, row in sorted(rows.items())
        for use, outcomes in row["uses"].items()
        for upstream in _ordered(outcomes)
        if outcomes[upstream] is not None
    ]
    versions = {f"`{n}` {v}" for row in rows.values() for n, v in row["versions"].items()}
    ran = f"The upstreams before which it worked, with {', '.join(sorted(versions))}."
    return "\n".join([ran, "", *lines, *(["", *failed] if failed else [])]) + "\n"


def written(page: str, clients: dict[str, dict[str, Any]]) -> str:
    """Return the page with each table made anew; a client that has not run keeps its own."""

    def anew(found: re.Match[str]) -> str:
        rows = clients.get(found[2])
        return found[0] if rows is None else f"{found[1]}{table(rows)}{found[3]}"

    return TABLE.sub(anew, page)


def _ordered(outcomes: dict[str, str | None]) -> list[str]:
    known = list(UPSTREAMS)
    return sorted(outcomes, key=lambda name: (known.index(name) if name in known else 9, name))


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(), json.loads(KEPT.read_text())))
