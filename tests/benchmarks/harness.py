"""What all benchmarks share: interleaved rounds, their medians, and the report."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

__all__ = [
    "ROOT",
    "Report",
    "Row",
    "compare",
    "interleave",
    "interleave_async",
    "options",
    "pinned",
    "quantile",
]

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds the sources; child processes start there."""

Rounds = dict[str, list[float]]
T = TypeVar("T")


@attrs.frozen
class Row:
    """One measure, ours beside a peer's.

    Attributes:
        measure: what was measured, in words.
        unit: of both figures.
        better: which way is good.
        ours, peer: medians over the rounds; None where that side has no such figure.
        peer_name: who the peer is.
        ratio: the median of the rounds' own ratios, ours to the peer's.
        target: what this project promises: a ratio where there is a peer, else a figure.
        spread: the lowest and highest of the rounds, ours and the peer's.
    """

    measure: str
    unit: str
    better: Literal["higher", "lower"]
    ours: float | None
    peer: float | None = None
    peer_name: str | None = None
    ratio: float | None = None
    target: str | None = None
    spread: tuple[Sequence[float], Sequence[float]] | None = None


def compare(
    measure: str,
    unit: str,
    better: Literal["higher", "lower"],
    ours: Sequence[float],
    peer: Sequence[float] = (),
    *,
    peer_name: str | None = None,
    target: str | None = None,
) -> Row:
    """Return the row of two series, taken in the same rounds."""
    if not peer:
        own = statistics.median(ours)
        return Row(measure, unit, better, own, target=target, spread=(_ends(ours), ()))
    ratios = [one / other for one, other in zip(ours, peer, strict=True) if other]
    return Row(
        measure,
        unit,
        better,
        statistics.median(ours),
        statistics.median(peer),
        peer_name,
        statistics.median(ratios) if ratios else None,
        target,
        (_ends(ours), _ends(peer)),
    )


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return (min(values), max(values))


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value below which this part of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def interleave(cases: Mapping[str, Callable[[], float]], rounds: int) -> Rounds:
    """Run every case once a round, each other round in reverse order; return the figures."""
    found: Rounds = {name: [] for name in cases}
    for number in range(rounds):
        for name in _order(cases, number):
            found[name].append(cases[name]())
    return found


async def interleave_async(
    cases: Mapping[str, Callable[[], Awaitable[T]]], rounds: int
) -> dict[str, list[T]]:
    """Run async cases as ``interleave`` does."""
    found: dict[str, list[T]] = {name: [] for name in cases}
    for number in range(rounds):
        for name in _order(cases, number):
            found[name].append(await cases[name]())
    return found


def _order(cases: Mapping[str, object], number: int) -> list[str]:
    names = list(cases)
    return names[::-1] if number % 2 else names


# --- the machine


@contextlib.contextmanager
def pinned(core: int) -> Iterator[bool]:
    """Run what is inside, and the processes started there, on one core; False if it cannot."""
    if not hasattr(os, "sched_setaffinity") or core >= (os.cpu_count() or 1):
        yield False
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {core})
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setaffinity(0, before)


def machine() -> dict[str, object]:
    """Return what the figures depend on, without names of hosts."""
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu_model(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def versions(names: Sequence[str]) -> dict[str, str]:
    """Return the versions of the distributions that are installed."""
    found = {}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


# --- the report


@attrs.define
class Report:
    """The rows of one benchmark, and what they were measured with."""

    benchmark: str
    rows: list[Row] = attrs.field(factory=list)
    settings: dict[str, object] = attrs.field(factory=dict)
    versions: dict[str, str] = attrs.field(factory=dict)

    def add(self, row: Row) -> None:
        """Take a row, and print it."""
        self.rows.append(row)
        print(format_row(row), flush=True)

    def save(self, out: Path | None) -> None:
        """Write the report as JSON, where a file is named."""
        if out is None:
            return
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(self.to_json(), indent=1) + "\n")

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "benchmark": self.benchmark,
            "machine": machine(),
            "versions": self.versions,
            "settings": self.settings,
            "rows": [attrs.asdict(row) for row in self.rows],
        }


def format_row(row: Row) -> str:
    """Return a row as one line of text."""
    parts = [f"{row.measure:<58}", f"ours {figure(row.ours):>10}"]
    if row.peer is not None:
        parts.append(f"{row.peer_name} {figure(row.peer):>10}")
    parts.append(row.unit)
    if row.ratio is not None:
        parts.append(f"ratio {figure(row.ratio)}")
    if row.target:
        parts.append(f"(target {row.target})")
    return "  ".join(parts)


def figure(value: float | None) -> str:
    """Return a number with three digits that count."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def options(text: str, *, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark."""
    parser = argparse.ArgumentParser(prog=f"python -m {_module()}", description=text)
    parser.add_argument("--rounds", type=int, default=rounds, help="rounds to take medians of")
    parser.add_argument("--out", type=Path, help="write the results to this file, as JSON")
    parser.add_argument("--tiny", action="store_true", help="sizes that measure nothing")
    return parser


def _module() -> str:
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec is not None else "tests.benchmarks"
