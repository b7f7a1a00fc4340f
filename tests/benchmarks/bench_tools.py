"""Calls of tools over a relay, beside model calls, bare commands and plain exchanges.

``python -m tests.benchmarks.bench_tools --out results.json``

home -> relay -> office. home is in this process, as a host's node is, and asks for tools and
models alike. Calls are granted by a key, and written down and flushed at both nodes: how long one
flush takes on the disk is measured in the same rounds, and reads once more with all state of the
nodes in memory, where that takes no time.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import attrs
import uvloop

from clawmatrix_tool_proxy.api import ToolFailed
from tests.benchmarks.harness import (
    Report,
    compare,
    interleave_async,
    options,
    pinned,
    versions,
)
from tests.benchmarks.processes import child, module
from tests.benchmarks.tool_ends import caller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.benchmarks.processes import Child
    from tests.benchmarks.tool_ends import Caller

    Act = Callable[[], Awaitable[float]]
    """Does something once, and returns the seconds that it took."""
    Case = Callable[[], Awaitable[float]]

MODEL, SPAWN, PLAIN = "model call", "bare spawn", "plain exchange"
_LINE = bytes(400)
"""About as long as a line of the audit."""
_PAGE = 4096
_MEMORY = Path("/dev/shm")
_BULK_ROUNDS = 3
_APART = 0.15
"""Seconds between commands, so that a spare guard waits for each."""


@attrs.frozen
class Sizes:
    """How much is asked for in a round."""

    calls: int = 60
    commands: int = 15
    bulk: int = 1024**3


TINY = Sizes(calls=3, commands=2, bulk=4 * 1024**2)


def _median_ms(act: Act, count: int) -> Case:
    """Return a case that does something so often, one after another: the median of one."""

    async def case() -> float:
        return statistics.median([await act() for _ in range(count)]) * 1e3

    return case


def _rate(act: Act, size: int) -> Case:
    """Return a case that moves so many bytes: MB a second."""

    async def case() -> float:
        return size / await act() / 1e6

    return case


# --- a small call


async def _measure_read_in_memory(report: Report, upstream: str, calls: int, rounds: int) -> None:
    """Measure what a read takes beside its flushes, where files can be in memory."""
    if not os.access(_MEMORY, os.W_OK):
        return
    with tempfile.TemporaryDirectory(prefix="cmx-bench-", dir=_MEMORY) as folder:
        async with caller(Path(folder), upstream, 2 * _PAGE) as to:
            cases = {"read": _median_ms(to.read, calls), MODEL: _median_ms(to.ask, calls)}
            await interleave_async(cases, 1)
            found = await interleave_async(cases, rounds)
    words = "read of 4 KiB, state of the nodes in memory, p50"
    report.add(
        compare(words, "ms", "lower", found["read"], found[MODEL], peer_name=MODEL, target="<= 2")
    )


async def _measure_read(report: Report, to: Caller, folder: Path, calls: int, rounds: int) -> None:
    with (folder / "flushed").open("ab", buffering=0) as file:

        async def flush() -> float:
            file.write(_LINE)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            return time.perf_counter() - began

        cases = {
            "read": _median_ms(to.read, calls),
            MODEL: _median_ms(to.ask, calls),
            "flush": _median_ms(flush, calls),
        }
        await interleave_async(cases, 1)  # warms all up
        found = await interleave_async(cases, rounds)
    words = "read of 4 KiB, p50"
    report.add(
        compare(words, "ms", "lower", found["read"], found[MODEL], peer_name=MODEL, target="<= 2")
    )
    words = "one flush of a line to the disk, p50"
    report.add(compare(words, "ms", "lower", found["flush"]))


# --- a command


async def _spawn() -> float:
    began = time.perf_counter()
    subprocess.run(["/bin/true"], check=True, stdin=subprocess.DEVNULL)  # noqa: ASYNC221 - measured
    return time.perf_counter() - began


async def _measure_command(report: Report, to: Caller, commands: int, rounds: int) -> None:
    async def run() -> float:
        await anyio.sleep(_APART)  # until a guard waits again, as it does where calls come apart
        return await to.call("exec", {"argv": ["true"], "cwd": "notes"})

    cases = {"exec": _median_ms(run, commands), SPAWN: _median_ms(_spawn, commands)}
    await interleave_async(cases, 1)
    found = await interleave_async(cases, rounds)
    ours, bare = found["exec"], found[SPAWN]
    words = "a command, exec true, p50"
    report.add(compare(words, "ms", "lower", ours, bare, peer_name=SPAWN, target="< 60 ms"))
    beyond = [one - other for one, other in zip(ours, bare, strict=True)]
    report.add(compare("exec true, beyond a bare spawn", "ms", "lower", beyond, target="< 30 ms"))


# --- much output


async def _measure_output(
    report: Report, to: Caller, sizes: Sizes, rounds: int, has_exec: bool
) -> None:
    size = sizes.bulk
    cases: dict[str, Case] = {
        "a function": _rate(lambda: to.call("pour", {"size": size}, size), size),
        PLAIN: _rate(lambda: to.bulk(size), size),
    }
    if has_exec:
        argv = ["head", "-c", str(size), "/dev/zero"]
        given = {"argv": argv, "cwd": "notes", "timeout": 300}
        cases["a command"] = _rate(lambda: to.call("exec", given, size), size)
    await to.bulk(size // 16)  # warms the way up
    await to.call("pour", {"size": size // 16}, size // 16)
    before = {name: one.memory()["rss"] for name, one in _processes(to).items()}
    found = await interleave_async(cases, rounds)
    plain = found.pop(PLAIN)
    for name, rates in found.items():
        words = f"output of {name}, {size >> 20} MiB"
        report.add(compare(words, "MB/s", "higher", rates, plain, peer_name=PLAIN, target=">= 0.5"))
    for name, one in _processes(to).items():
        grown = one.memory()["rss"] - before[name]
        report.add(compare(f"memory of {name}, more after all output", "MB", "lower", [grown]))


def _processes(to: Caller) -> dict[str, Child]:
    return {"office": to.office, "relay": to.relay}


async def _has_exec(to: Caller) -> bool:
    """Return whether this machine confines commands, and so runs them."""
    try:
        await to.call("exec", {"argv": ["true"], "cwd": "notes"})
    except ToolFailed as error:
        print(f"no commands here: {error}", flush=True)
        return False
    return True


async def _run(report: Report, sizes: Sizes, rounds: int) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cmx-bench-")))
        served = stack.enter_context(child(module("upstream"), core=0, log=folder / "up.log"))
        upstream = served.expect(r"listening (http://127\.0\.0\.1:\d+/v1)")[1]
        await _measure_read_in_memory(report, upstream, sizes.calls, rounds)
        async with caller(folder, upstream, 2 * sizes.bulk) as to:
            await _measure_read(report, to, folder, sizes.calls, rounds)
            has_exec = await _has_exec(to)
            if has_exec:
                await _measure_command(report, to, sizes.commands, rounds)
            await _measure_output(report, to, sizes, min(rounds, _BULK_ROUNDS), has_exec)


def main() -> None:
    """Run the benchmark."""
    parser = options("Tools over a relay.", rounds=7)
    parser.add_argument("--bulk", type=int, default=1024, help="MiB of output in a round")
    arguments = parser.parse_args()
    sizes = TINY if arguments.tiny else Sizes(bulk=arguments.bulk * 1024**2)
    rounds = 1 if arguments.tiny else arguments.rounds
    report = Report("tools", settings={"rounds": rounds, **attrs.asdict(sizes)})
    report.versions = versions(["clawmatrix", "websockets", "uvloop", "msgspec"])
    with pinned(0) as is_pinned:
        report.settings["pinned"] = is_pinned
        uvloop.run(_run(report, sizes, rounds))
    report.save(arguments.out)


if __name__ == "__main__":
    main()
