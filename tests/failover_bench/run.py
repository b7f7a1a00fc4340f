"""``make failover-bench``: all scenarios in their own time, and the table in the documentation."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from tests.failover_bench.bench import NO_STREAM, Bench, Flapping, bench_of
from tests.failover_bench.scenarios import SCENARIOS, Outcome, judge, without_a_stream

FILE = Path(__file__).parents[2] / "docs" / "failover-bench.md"
BEGIN, END = "<!-- results: begin -->\n", "<!-- results: end -->\n"
MODES = {"whole": "held", "off": "live", NO_STREAM: "without a stream"}

Cell = tuple[str, str]


async def cells(bench: Bench) -> dict[tuple[str, str], Cell]:
    """Play everything; return the verdict and what the client saw, by scenario and mode."""
    found: dict[tuple[str, str], Cell] = {}
    for hold in MODES:
        for each in SCENARIOS:
            scenario = without_a_stream(each) if hold == NO_STREAM else each
            if scenario.id == "S15":
                found["S15", hold] = _flapping(await bench.flap(hold))
            else:
                outcome = await bench.run(scenario, hold)
                verdict, failed = judge(scenario, outcome)
                found[scenario.id, hold] = (verdict, _words(outcome, failed))
            print(scenario.id, MODES[hold], *found[scenario.id, hold], flush=True)
    return found


def _flapping(seen: Flapping) -> Cell:
    recovered = "never" if seen.recovered is None else f"{seen.recovered:.0f} s after"
    words = f"{seen.served} of {seen.calls} served, back on the primary {recovered}"
    return ("pass" if seen.passes else "fail", words)


def _words(outcome: Outcome, failed: list[str]) -> str:
    what = "whole answer" if outcome.rescued else f"error: {outcome.error}"
    if outcome.truncated_success:
        what = "TRUNCATED"
    tries = f"{len(outcome.primary)} + {len(outcome.fallback)} attempts"
    words = f"{what}, {outcome.seconds:.1f} s, {tries}"
    return f"{words} ({', '.join(failed)})" if failed else words


def render(found: dict[tuple[str, str], Cell]) -> str:
    """Return the table."""
    lines = [f"| | fault | {' | '.join(MODES.values())} |", "|---|---|---|---|---|"]
    for scenario in SCENARIOS:
        seen = (found[scenario.id, hold] for hold in MODES)
        told = " | ".join(f"**{verdict}**: {words}" for verdict, words in seen)
        lines.append(f"| {scenario.id} | {scenario.title} | {told} |")
    counts = [
        f"{name}: {sum(cell[0] == 'pass' for (_, h), cell in found.items() if h == hold)} of 16"
        for hold, name in MODES.items()
    ]
    return "\n".join([f"Passed, {', '.join(counts)}.", "", *lines]) + "\n"


async def main() -> None:
    """Run, and write the table."""
    async with bench_of(1.0) as bench:
        table = render(await cells(bench))
    head, rest = FILE.read_text().split(BEGIN)
    FILE.write_text(head + BEGIN + table + END + rest.split(END)[1])
    print(table)


if __name__ == "__main__":
    sys.exit(anyio.run(main))
