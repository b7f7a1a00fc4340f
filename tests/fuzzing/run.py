"""The long run: every target for a while, two at a time, and a live node; then a table.

``python -m tests.fuzzing.run [SECONDS] [TARGET ...]``. Each target is a process of its own, so that
memory can be told apart. Half of its time goes to altered inputs, under a bound on memory; where
atheris is installed, the other half goes to that. Ends with 1 where anything but typed errors came
out, or something grew; the inputs are in ``.fuzz``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import attrs

from tests.fuzzing.catalogue import TARGETS
from tests.fuzzing.memory import FOLDER, GROWTH, Outcome

__all__ = ["main"]

AT_ONCE = 2
LIVE = 30.0
"""Seconds of the live node."""
START = 5.0
"""Seconds that it takes to start a target, both ways."""
_DONE = re.compile(r"#(\d+)\s+DONE\s+cov: (\d+) ft: (\d+)")


@attrs.frozen
class Guided:
    """What came of a target under atheris.

    Attributes:
        inputs: how many it was fed.
        coverage: places in the code that were reached.
        failure: what it printed in the end, where something was wrong.
    """

    inputs: int
    coverage: int
    failure: str | None = None


def fed(name: str, seconds: float) -> Outcome:
    """Feed a target in a process of its own."""
    ran = _run("tests.fuzzing.memory", name, str(seconds))
    try:
        return Outcome(**json.loads(ran.stdout))
    except ValueError:
        return Outcome(0, 0, 0.0, failure=f"the process ended with {ran.returncode}: {ran.stderr}")


def guided(name: str, seconds: float) -> Guided:
    """Let atheris look for inputs."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(TARGETS[name].seeds()):
            Path(corpus, f"seed{number}").write_bytes(seed)
        ran = _run(
            "tests.fuzzing.guided",
            name,
            corpus,
            f"-max_total_time={max(1, round(seconds))}",
            f"-artifact_prefix={FOLDER}/{name.replace(' ', '-')}-",
            "-max_len=65536",
            "-rss_limit_mb=1024",
            "-timeout=30",
        )
    found = _DONE.search(ran.stderr)
    failure = None if ran.returncode == 0 and found else f"{ran.stdout}{ran.stderr}"[-4000:]
    return Guided(int(found[1]), int(found[2]), failure) if found else Guided(0, 0, failure)


def _run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def one(name: str, seconds: float) -> str | None:
    """Run one target and print its line; return what was wrong."""
    has_atheris = find_spec("atheris") is not None
    plain = fed(name, seconds / 2 if has_atheris else seconds)
    found = guided(name, seconds / 2) if has_atheris and not plain.failure else None
    rate = plain.inputs / plain.seconds if plain.seconds else 0.0
    more = f"{found.inputs:9,} {found.coverage:6,}" if found else f"{'-':>9} {'-':>6}"
    print(
        f"{name:20} {plain.inputs:9,} {rate:8,.0f} {plain.taken / max(plain.inputs, 1):6.0%}"
        f" {more} {plain.size:6.0f} {plain.growth:+6.1f}",
        flush=True,
    )
    if plain.failure:
        return f"{name}: {plain.failure}\nits input: {plain.reproducer}"
    if plain.growth > GROWTH:
        return f"{name}: grew by {plain.growth:.1f} MiB"
    return None if found is None or found.failure is None else f"{name}: {found.failure}"


def live(seconds: float) -> str | None:
    """Run the live node; return what was wrong."""
    ran = _run("tests.fuzzing.live", str(seconds))
    print(ran.stdout, end="", flush=True)
    return None if ran.returncode == 0 else f"live node: {ran.stderr[-4000:]}"


def main(seconds: float = 300.0, names: list[str] | None = None) -> int:
    """Run the targets, all unless some are named; return the code to exit with."""
    FOLDER.mkdir(exist_ok=True)
    started, chosen = time.monotonic(), names or list(TARGETS)
    each = max(2.0, (seconds - (0 if names else LIVE)) * AT_ONCE / len(chosen) - START)
    print(
        f"{'target':20} {'inputs':>9} {'per s':>8} {'taken':>6} {'atheris':>9} {'cov':>6}"
        f" {'MiB':>6} {'grown':>6}"
    )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = list(pool.map(lambda name: one(name, each), chosen))
    if not names:
        wrong.append(live(LIVE))
    print(f"in {time.monotonic() - started:.0f} s")
    for failure in filter(None, wrong):
        print(f"\nWRONG  {failure}")
    return int(any(wrong))


if __name__ == "__main__":
    told = sys.argv[1:]
    sys.exit(main(float(told[0]) if told else 300.0, told[1:]))
