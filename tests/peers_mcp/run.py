"""``make mcp-peers``: what becomes of calls behind our nodes and behind the peers.

``python -m tests.peers_mcp.run [--ours]``
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

import anyio

from tests.benchmarks.harness import ROOT
from tests.peers_mcp.peers import ONE_NODE, OVER_RELAY, PEERS, missing
from tests.peers_mcp.scenarios import SCENARIOS, Verdict, play

if TYPE_CHECKING:
    from tests.peers_mcp.peers import Era

FILE: Final = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- peers: written by make mcp-peers -->\n", "<!-- end of peers -->\n"
OURS: Final = (ONE_NODE, OVER_RELAY)
Found = dict[str, dict[str, Verdict]]


async def verdicts(*, ours_only: bool) -> Found:
    """Play everything, one after another."""
    ways: list[tuple[str, str, Era]] = [
        (name, name, "legacy") for name in PEERS if name in OURS or not ours_only
    ]
    ways.insert(1, (f"{ONE_NODE}, 2026-07-28", ONE_NODE, "2026-07-28"))
    found: Found = {name: {} for name, _, _ in ways}
    for words, scenario in SCENARIOS.items():
        for name, peer, era in ways:
            found[name][words] = verdict = await play(PEERS[peer], scenario, era)
            print("pass" if verdict.passed else "FAIL", name, words, verdict.seen, flush=True)
    return found


def render(found: Found) -> str:
    """Return the table."""
    lines = [f"| | {' | '.join(found)} |", "|---" * (len(found) + 1) + "|"]
    for words in SCENARIOS:
        cells = [seen[words] for seen in found.values()]
        told = " | ".join(f"{'yes' if one.passed else 'no'}: {one.seen}" for one in cells)
        lines.append(f"| {words} | {told} |")
    return "\n".join(lines) + "\n"


async def main() -> int:
    """Play, and write the table; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.peers_mcp.run", description=__doc__)
    parser.add_argument("--ours", action="store_true", help="leave the peers out; no page")
    given = parser.parse_args()
    if not given.ours and (names := missing()):
        print(f"not installed: {', '.join(names)}; `make mcp-peers` does it", file=sys.stderr)
        return 2
    found = await verdicts(ours_only=given.ours)
    if not given.ours:
        head, rest = FILE.read_text().split(BEGIN)
        FILE.write_text(head + BEGIN + render(found) + END + rest.split(END)[1])
    passed = all(
        one.passed for name in found if name.startswith(OURS) for one in found[name].values()
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))
