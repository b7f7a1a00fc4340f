"""Runs the benchmarks one after another, and writes the page of their results.

``python -m tests.benchmarks.run [NAME ...] [--no-peer] [--tiny]``

Each ``bench_NAME.py`` is run in a process of its own; what it found goes to
``tests/benchmarks/results/NAME.json``, and the tables of ``docs/benchmarks.md`` are made anew.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tests.benchmarks import render
from tests.benchmarks.harness import ROOT

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(file.stem.removeprefix("bench_") for file in FOLDER.glob("bench_*.py")))
WITH_PEER = frozenset({"models", "cancel", "pairs"})
"""Those whose peer is LiteLLM, which takes a minute to install."""


def main() -> int:
    """Run what was asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--no-peer", action="store_true", help="leave LiteLLM out")
    parser.add_argument("--tiny", action="store_true", help="sizes that measure nothing; no page")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    failed = [name for name in given.names or NAMES if not _run(name, given)]
    if not given.tiny:
        render.write()
    for name in failed:
        print(f"failed: {name}", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str, given: argparse.Namespace) -> bool:
    print(f"== {name}", flush=True)
    command = [sys.executable, "-m", f"tests.benchmarks.bench_{name}"]
    if given.tiny:
        command.append("--tiny")
    else:
        command += ["--out", str(render.RESULTS / f"{name}.json")]
    if given.no_peer and name in WITH_PEER:
        command.append("--no-peer")
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
