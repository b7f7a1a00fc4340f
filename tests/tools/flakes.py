"""Runs the tests again and again, and lists what ever failed.

``python -m tests.tools.flakes [--runs 5] [--workers 3] [-- ARGUMENTS OF PYTEST]``

The last run has a process beside it that keeps one core busy. No test is run a second time within
a run, so that whatever fails is shown. The exit status is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Ran", "main", "read", "render"]

ROOT = Path(__file__).parents[2]
BUSY = "while True: pass"


@attrs.frozen
class Ran:
    """One run of the tests.

    Attributes:
        failed: the tests that failed, or whose set-up or tear-down did.
        status: what pytest returned.
        seconds: how long it took.
        is_busy: whether a process beside it kept a core busy.
    """

    failed: frozenset[str]
    status: int
    seconds: float
    is_busy: bool

    @property
    def is_clean(self) -> bool:
        """Whether pytest ended in order and nothing failed."""
        return self.status == 0 and not self.failed


def read(report: Path, root: Path = ROOT) -> frozenset[str]:
    """Return the names of the tests that failed, from a report in JUnit's format."""
    if not report.exists():  # pytest itself broke, which its status tells
        return frozenset()
    cases = ElementTree.parse(report).getroot().iter("testcase")
    broken = [case for case in cases if {child.tag for child in case} & {"failure", "error"}]
    return frozenset(
        _name(case.get("classname", ""), case.get("name", ""), root) for case in broken
    )


def _name(module: str, test: str, root: Path) -> str:
    """Return the name by which pytest runs a test alone, where the file is found."""
    path = module.replace(".", "/") + ".py"
    return f"{path if (root / path).exists() else module}::{test}"


def render(runs: Sequence[Ran]) -> str:
    """Return what is to be said of some runs."""
    lines = [_run_line(number, run) for number, run in enumerate(runs, 1)]
    counts = Counter(name for run in runs for name in run.failed)
    busy = {name for run in runs if run.is_busy for name in run.failed}
    calm = {name for run in runs if not run.is_busy for name in run.failed}
    lines.append("")
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        where = ", only beside a busy core" if name in busy - calm else ""
        lines.append(f"{count} of {len(runs)}: {name}{where}")
    if all(run.is_clean for run in runs):
        lines.append(f"No test failed in {len(runs)} runs.")
    return "\n".join(lines) + "\n"


def _run_line(number: int, run: Ran) -> str:
    beside = ", beside a busy core" if run.is_busy else ""
    end = "" if run.status in (0, 1) else f", pytest ended with status {run.status}"
    return f"run {number}: {len(run.failed)} failed in {run.seconds:.0f} s{beside}{end}"


def _run(arguments: Sequence[str], *, is_busy: bool) -> Ran:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cmx-flakes-"))
        if is_busy:
            stack.enter_context(_busy_core())
        report = Path(folder) / "report.xml"
        began = time.monotonic()
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        return Ran(read(report), status, time.monotonic() - began, is_busy)


@contextlib.contextmanager
def _busy_core() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.flakes", description="What ever fails, in many runs."
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--workers", default="3")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    given = parser.parse_args(arguments)
    words = ["-n", given.workers, "-m", "not slow", *given.pytest]
    runs = [_run(words, is_busy=number == given.runs) for number in range(1, given.runs + 1)]
    print("\n" + render(runs), end="")
    return 0 if all(run.is_clean for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
