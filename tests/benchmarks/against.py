"""Measures a commit against an older one, by the benchmarks that each of them has.

``python -m tests.benchmarks.against REV [--pairs 30] [--floor 0.97] [--only "relay models"]``

Both commits are unpacked into a temporary folder, and each is installed with its own constraints
into a virtual environment of its own. Every pair runs a benchmark of one, then of the other, and
every other pair in reverse order. A figure is judged by the ratio of the two runs of a pair, new
to old, turned so that more than 1 is better. The exit status is 1 where the interval of a figure
lies wholly below the floor, or where a figure can no longer be compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs

from tests.benchmarks.harness import figure
from tests.benchmarks.paired import Interval, interval, ratios
from tests.tools.commits import Commit, clean_environment, git, unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Judged", "judge", "main", "measure", "render"]

DEFAULT = ("dispatch", "relay", "models")
SHORT = {
    "cancel": ("--rounds", "1", "--no-peer"),
    "dispatch": ("--rounds", "15"),
    "grants": ("--rounds", "1"),
    "knowledge": ("--rounds", "1", "--no-peer"),
    "mcp": ("--rounds", "1"),
    "models": ("--rounds", "1", "--no-peer"),
    "pairs": ("--rounds", "1", "--no-peer"),
    "relay": ("--rounds", "1"),
    "sealing": ("--rounds", "1"),
    "tools": ("--rounds", "1", "--bulk", "64"),
}
"""What makes a run of each benchmark short: pairs stand in for rounds."""

LEAST_PAIRS = 15
SEED = 20_261_130
LIMIT = 600.0
"""Seconds that one run of a benchmark may take."""

Side = Literal["old", "new"]
Report = dict[str, Any]
Run = Callable[[Side, str], Report]


@attrs.frozen
class Judged:
    """One figure of a benchmark, before and after.

    Attributes:
        measure, unit: as the benchmark names them.
        old, new: medians over the pairs; None where a commit does not measure it.
        ratio: how much better the new one is; None where fewer than half of the pairs have one.
        is_kept: False where it is below the floor, or can no longer be compared.
    """

    benchmark: str
    measure: str
    unit: str
    old: float | None
    new: float | None
    ratio: Interval | None
    is_kept: bool


# --- measuring


def measure(run: Run, names: Sequence[str], pairs: int) -> dict[str, list[dict[Side, Report]]]:
    """Run both sides of each pair, every other pair in reverse order; return the reports."""
    found: dict[str, list[dict[Side, Report]]] = {name: [] for name in names}
    sides: tuple[Side, Side] = ("old", "new")
    for number in range(pairs):
        for name in names:
            order = sides[::-1] if number % 2 else sides
            found[name].append({side: run(side, name) for side in order})
    return found


def judge(name: str, pairs: Sequence[dict[Side, Report]], floor: float, seed: int) -> list[Judged]:
    """Return what became of each figure of a benchmark."""
    old, new = ([_rows(pair[side]) for pair in pairs] for side in ("old", "new"))
    shown = dict.fromkeys(words for rows in (*old, *new) for words in rows)
    return [
        _judge(name, [rows.get(one) for rows in old], [rows.get(one) for rows in new], floor, seed)
        for one in shown
    ]


def _rows(report: Report) -> dict[str, Report]:
    """Return the rows by measure. A measure that is compared with two peers counts once."""
    return {row["measure"]: row for row in report["rows"] if row["ours"] is not None}


def _judge(
    name: str,
    old: Sequence[Report | None],
    new: Sequence[Report | None],
    floor: float,
    seed: int,
) -> Judged:
    row = next(row for row in (*old, *new) if row is not None)
    pairs = [(before, after) for before, after in zip(old, new, strict=True) if before and after]
    before, after = [one["ours"] for one, _ in pairs], [other["ours"] for _, other in pairs]
    found = ratios(before, after, row["better"])
    is_kept, ratio = False, None
    if len(found) * 2 >= len(old):
        ratio = interval(found, seed=seed)
        is_kept = not ratio.is_below(floor)
    else:
        is_new = not any(old)
        is_nought = len(pairs) == len(old) and not any((*before, *after))  # a count of faults, say
        is_kept = is_new or is_nought
    words, unit = row["measure"], row["unit"]
    return Judged(name, words, unit, _median(old), _median(new), ratio, is_kept)


def _median(rows: Sequence[Report | None]) -> float | None:
    values = [row["ours"] for row in rows if row]
    return statistics.median(values) if values else None


# --- the report


def render(found: Sequence[Judged], floor: float) -> str:
    """Return a table of figures, and what is to be said of it."""
    lines = [
        f"| benchmark | measure | old | new | ratio | 95 % | pairs | below {floor:g} |",
        "|---|---|--:|--:|--:|---|--:|---|",
    ]
    for one in found:
        ends = f"{one.ratio.low:.3f} to {one.ratio.high:.3f}" if one.ratio else "no ratio"
        cells = (
            one.benchmark,
            one.measure,
            f"{figure(one.old)} {one.unit}",
            f"{figure(one.new)} {one.unit}",
            f"{one.ratio.median:.3f}" if one.ratio else "",
            ends,
            str(one.ratio.pairs) if one.ratio else "",
            "" if one.is_kept else "YES" if one.ratio else "not comparable",
        )
        lines.append("| " + " | ".join(cells) + " |")
    lost = [one for one in found if not one.is_kept]
    lines.append("")
    lines.append(f"{len(found)} figures, {len(lost)} of them worse or not comparable.")
    return "\n".join(lines) + "\n"


# --- commits


def _run(commit: Commit, name: str) -> Report:
    """Run one of a commit's own benchmarks. Raises: RuntimeError."""
    out = commit.tree / "results.json"
    out.unlink(missing_ok=True)
    command = [commit.python, "-m", f"tests.benchmarks.bench_{name}", *SHORT[name]]
    ran = subprocess.run(
        [*command, "--out", str(out)],
        cwd=commit.tree,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if ran.returncode != 0 or not out.exists():
        said = (ran.stdout + ran.stderr)[-4000:]
        raise RuntimeError(f"{commit.tree.name}: bench_{name} failed:\n{said}")
    report: Report = json.loads(out.read_text())
    return report


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


# --- the program


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.against", description="A commit against an older one."
    )
    parser.add_argument("old", metavar="REV", help="the older commit")
    parser.add_argument("--new", default="HEAD", metavar="REV", help="the newer one")
    parser.add_argument("--pairs", type=int, default=30, help=f"at least {LEAST_PAIRS}")
    parser.add_argument("--floor", type=float, default=0.97, help="the ratio that is too low")
    parser.add_argument("--only", default=" ".join(DEFAULT), help=f"of {', '.join(SHORT)}")
    parser.add_argument("--out", type=Path, help="write every run's figures here, as JSON")
    found = parser.parse_args(arguments)
    if found.pairs < LEAST_PAIRS:
        parser.error(f"fewer than {LEAST_PAIRS} pairs say nothing")
    if unknown := set(found.only.split()) - set(SHORT):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(SHORT)}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return the exit status."""
    given = _parse(arguments)
    names = given.only.split()
    if git("status", "--porcelain", "--untracked-files=no"):
        _say("note: what is not committed is not measured")
    with unpacked({"old": given.old, "new": given.new}, extra="dev") as commits:
        began = time.monotonic()

        def run(side: Side, name: str) -> Report:
            report = _run(commits[side], name)
            _say(f"{time.monotonic() - began:6.0f} s  {side} {name}")
            return report

        measure(run, names, 1)  # compiles both, and warms the machine up
        pairs = measure(run, names, given.pairs)
    if given.out is not None:
        given.out.write_text(json.dumps(pairs, indent=1) + "\n")
    found = [one for name in names for one in judge(name, pairs[name], given.floor, SEED)]
    print(render(found, given.floor), end="")
    return 0 if all(one.is_kept for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
