"""One relay between two nodes, against a bare WebSocket relay of the same library.

``python -m tests.benchmarks.bench_relay --out results.json``

Both relays run on core 1, both ends in this process on core 0. The messages are the same
bytes for both: sealed frames from A to B, ``size`` bytes with their header.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import uvloop

from tests.benchmarks.harness import (
    Report,
    compare,
    interleave_async,
    options,
    pinned,
    quantile,
    versions,
)
from tests.benchmarks.mesh import CORE, relay
from tests.benchmarks.processes import child, module
from tests.benchmarks.relay_ends import Ends, bare_ends, frames_of, mesh_ends

if TYPE_CHECKING:
    from tests.benchmarks.processes import Child

PEER = "bare websockets"


@attrs.frozen
class Load:
    """How much of one size is sent in a round."""

    size: int
    frames: int
    window: int
    target: str


LOADS = (
    Load(256, 30_000, 256, ">= 0.5, aim 0.8"),
    Load(4096, 20_000, 128, ">= 0.7, aim 0.9"),
    Load(65536, 5_000, 12, ">= 0.8, aim 0.95"),
)
TINY = tuple(attrs.evolve(load, frames=40) for load in LOADS)


@attrs.frozen
class Round:
    """What one round gave: rate, latencies, and the relay's processor time per frame."""

    rate: float
    p50: float
    p99: float
    cpu: float


Case = Callable[[], Awaitable[Round]]


def _case(ends: Ends, process: Child, load: Load, pings: int) -> Case:
    frames = frames_of(load.size)

    async def run() -> Round:
        before = process.cpu()
        rate = await ends.frames_per_second(frames, load.frames, load.window)
        cpu = (process.cpu() - before) / load.frames * 1e6
        times = await ends.latency(frames, pings)
        return Round(rate, statistics.median(times), quantile(times, 0.99), cpu)

    return run


async def _run(report: Report, loads: tuple[Load, ...], rounds: int, pings: int) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cmx-bench-")))
        ours, address = stack.enter_context(relay(folder))
        command = module("bare_relay")
        peer = stack.enter_context(child(command, core=CORE, log=folder / "bare.log"))
        bare = await bare_ends(peer.expect(r"listening (ws://\S+)")[1])
        meshed = await mesh_ends(address)
        for load in loads:
            cases = {"ours": _case(meshed, ours, load, pings), PEER: _case(bare, peer, load, pings)}
            await interleave_async(cases, 1)  # warms both up
            _add_rows(report, load, await interleave_async(cases, rounds))
        report.settings["memory_mb"] = {"ours": ours.memory(), PEER: peer.memory()}
        await meshed.close()
        await bare.close()


def _add_rows(report: Report, load: Load, found: dict[str, list[Round]]) -> None:
    ours, peer = found["ours"], found[PEER]

    def add(name: str, unit: str, field: str, target: str | None = None) -> None:
        better = "higher" if field == "rate" else "lower"
        one, other = ([getattr(r, field) for r in rounds] for rounds in (ours, peer))
        words = f"{name}, {load.size} B"
        row = compare(words, unit, better, one, other, peer_name=PEER, target=target)  # type: ignore[arg-type]
        report.add(row)

    add("frames relayed", "frames/s", "rate", load.target)
    add("one way, p50", "us", "p50")
    add("one way, p99", "us", "p99")
    add("the relay's processor time a frame", "us", "cpu")


def main() -> None:
    """Run the benchmark."""
    parser = options("A relay against a bare WebSocket relay.", rounds=7)
    arguments = parser.parse_args()
    loads, rounds, pings = (TINY, 1, 5) if arguments.tiny else (LOADS, arguments.rounds, 300)
    report = Report("relay", settings={"rounds": rounds, "pings": pings})
    report.settings["loads"] = [attrs.asdict(load) for load in loads]
    report.versions = versions(["clawmatrix", "websockets", "uvloop", "msgspec"])
    with pinned(0) as is_pinned:
        report.settings["pinned"] = is_pinned
        uvloop.run(_run(report, loads, rounds, pings))
    report.save(arguments.out)


if __name__ == "__main__":
    main()
