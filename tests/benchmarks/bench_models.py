"""Model calls over two hops, against the same upstream asked directly and through LiteLLM.

``python -m tests.benchmarks.bench_models --out results.json``

home -> relay -> office -> upstream: three nodes, each ``clawmatrix run`` with all built-in
plugins, end-to-end sealed. Before the same upstream stand, each one process and one hop, LiteLLM's
proxy, two routers written in Rust, and one node without a mesh. All proxies run on core 1; the
upstream and the clients on core 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import attrs
import uvloop

from tests.benchmarks import litellm_proxy, rust_routers
from tests.benchmarks.harness import (
    Report,
    compare,
    interleave_async,
    options,
    pinned,
    quantile,
    versions,
)
from tests.benchmarks.http_load import (
    Client,
    Target,
    calls_per_second,
    check_stream,
    wait_until_up,
)
from tests.benchmarks.mesh import TOKEN, Mesh, alone, mesh, node
from tests.benchmarks.processes import child, free_port, module

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.benchmarks.processes import Child

OURS, DIRECT, PEER, ALONE = "clawmatrix", "direct", "LiteLLM", "one node, no mesh"
PEERS = (PEER, ALONE, *rust_routers.ROUTERS)
T = TypeVar("T")
Cases = dict[str, Callable[[], Awaitable[T]]]
Rounds = dict[str, list[float]]


@attrs.frozen
class Sizes:
    """How much is asked for in a round."""

    calls: int = 100
    seconds: float = 2.0
    clients: tuple[int, int] = (16, 64)
    firsts: int = 20
    chunks: int = 2000
    streams: tuple[int, int] = (1, 16)
    cold: int = 3


TINY = Sizes(calls=3, seconds=0.1, clients=(1, 2), firsts=2, chunks=20, streams=(1, 2), cold=1)


# --- what is measured


async def sequential(target: Target, calls: int) -> list[float]:
    """Return the milliseconds of each of some calls, one after another."""
    client = await Client.open(target)
    request = target.request()
    times = [(await client.ask(request)).whole * 1e3 for _ in range(calls)]
    client.close()
    return times


async def first_chunk(target: Target, streams: int) -> float:
    """Return the median milliseconds to the first event of a short stream."""
    client = await Client.open(target)
    request = target.request(chunks=20)
    firsts = []
    for _ in range(streams):
        stream = await client.ask(request)
        check_stream(stream, 20)
        firsts.append(stream.first * 1e3)
    client.close()
    return statistics.median(firsts)


async def processor_time(target: Target, processes: Sequence[Child], calls: int) -> float:
    """Return the milliseconds of processor time that a call takes in all of some processes."""
    before = sum(process.cpu() for process in processes)
    await sequential(target, calls)
    return (sum(process.cpu() for process in processes) - before) / calls * 1e3


async def chunks_per_second(target: Target, chunks: int, clients: int) -> float:
    """Return the chunks a second of streams side by side; all have to arrive, in order."""
    open_ = [await Client.open(target) for _ in range(clients)]
    request = target.request(chunks=chunks)
    began = time.perf_counter()
    streams = await asyncio.gather(*(client.ask(request) for client in open_))
    took = time.perf_counter() - began
    for client, stream in zip(open_, streams, strict=True):
        client.close()
        check_stream(stream, chunks)
    return chunks * clients / took


# --- rows


async def _measure(report: Report, targets: Mapping[str, Target], sizes: Sizes, n: int) -> None:
    def each(case: Callable[..., Awaitable[T]], *sizes: float) -> Cases[T]:
        return {name: functools.partial(case, target, *sizes) for name, target in targets.items()}

    await interleave_async(each(sequential, sizes.calls), 1)  # warms all up
    _add_latency(report, await interleave_async(each(sequential, sizes.calls), n))
    for clients in sizes.clients:
        found = await interleave_async(each(calls_per_second, clients, sizes.seconds), n)
        _add(report, f"calls a second, {clients} clients", "calls/s", found, ">= 10, aim 30")
    _add_added(report, "first chunk", await interleave_async(each(first_chunk, sizes.firsts), n))
    for clients in sizes.streams:
        found = await interleave_async(each(chunks_per_second, sizes.chunks, clients), n)
        words = f"chunks a second, {clients} streams of {sizes.chunks}"
        _add(report, words, "chunks/s", found, ">= 20, aim 50")


async def _measure_cost(
    report: Report, costs: Mapping[str, tuple[Target, Sequence[Child]]], calls: int, n: int
) -> None:
    """Add the processor time of a call, which other work on the machine disturbs least."""
    cases: Cases[float] = {
        name: functools.partial(processor_time, target, processes, calls)
        for name, (target, processes) in costs.items()
    }
    found = await interleave_async(cases, n)
    words, ours = "processor time a call, all processes", found[OURS]
    for name in (name for name in PEERS if name in found):
        report.add(compare(words, "ms", "lower", ours, found[name], peer_name=name))
    if len(found) == 1:
        report.add(compare(words, "ms", "lower", ours))


def _add(report: Report, words: str, unit: str, found: Rounds, target: str) -> None:
    ours = found[OURS]
    for name in (name for name in PEERS if name in found):
        wanted = target if name == PEER else None
        report.add(compare(words, unit, "higher", ours, found[name], peer_name=name, target=wanted))
    report.add(compare(words, unit, "higher", ours, found[DIRECT], peer_name=DIRECT))


def _add_latency(report: Report, found: dict[str, list[list[float]]]) -> None:
    for name, part, target in (("p50", 0.5, "< 2 ms"), ("p99", 0.99, None)):
        cut = {key: [quantile(times, part) for times in rounds] for key, rounds in found.items()}
        _add_added(report, f"a call, {name}", cut, target)


def _add_added(report: Report, words: str, found: Rounds, target: str | None = None) -> None:
    """Add what a way adds to the direct one, round by round."""
    added = {
        name: [one - direct for one, direct in zip(values, found[DIRECT], strict=True)]
        for name, values in found.items()
    }
    words, ours = f"{words}, added to the direct way", added[OURS]
    for name in (name for name in PEERS if name in added):
        wanted = target if name == PEER else None
        report.add(compare(words, "ms", "lower", ours, added[name], peer_name=name, target=wanted))
    if len(added) == 2:  # ours and the direct way
        report.add(compare(words, "ms", "lower", ours, target=target))


def _add_memory(report: Report, when: str, nodes: Mapping[str, Child], peer: Child | None) -> None:
    theirs = peer.memory() if peer is not None else None
    for name, process in nodes.items():
        for kind, value in process.memory().items():
            row = compare(
                f"memory of {name}, {kind.upper()}, {when}",
                "MB",
                "lower",
                [value],
                [theirs[kind]] if theirs else (),
                peer_name=PEER if theirs else None,
                target="< 80 MB" if kind == "rss" else None,
            )
            report.add(row)


# --- start


async def _cold(folder: Path, upstream: str, samples: int, with_peer: bool) -> Rounds:
    """Return seconds from spawning to the first page answered with 200."""

    async def ours() -> float:
        port = free_port()
        place = Path(tempfile.mkdtemp(dir=folder))
        body = f'[http]\ntoken = "env:BENCH_TOKEN"\nlisten = "127.0.0.1:{port}"\n'
        with node("cold", body, place) as running:
            up = await wait_until_up(Target(OURS, port, TOKEN), "/healthz")
            return up - running.started

    async def peer() -> float:
        with litellm_proxy.proxy(folder, upstream) as (running, port):
            target = Target(PEER, port, litellm_proxy.KEY)
            return await wait_until_up(target, "/health/liveliness") - running.started

    cases: Cases[float] = {OURS: ours}
    if with_peer:
        cases[PEER] = peer
    return await interleave_async(cases, samples)


async def ready(target: Target) -> None:
    """Return once a call is answered: records have spread, and routes are there."""
    deadline = time.monotonic() + 30
    while True:
        try:
            client = await Client.open(target)
            await client.ask(target.request(), 10.0)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            client.close()
            return


async def _start_peers(
    stack: contextlib.ExitStack, folder: Path, upstream: str
) -> dict[str, tuple[Target, Child]]:
    """Start what stands beside the mesh, and return each once it answers."""
    process, port = stack.enter_context(litellm_proxy.proxy(folder, upstream))
    found = {PEER: (Target(PEER, port, litellm_proxy.KEY), process)}
    await wait_until_up(found[PEER][0], "/health/liveliness")
    process, port = stack.enter_context(alone(folder, upstream))
    found[ALONE] = (Target(ALONE, port, TOKEN), process)
    for name in rust_routers.ROUTERS:
        process, port = stack.enter_context(rust_routers.router(name, folder, upstream))
        found[name] = (Target(name, port, TOKEN), process)
        await wait_until_up(found[name][0], "/health")
    return found


async def _run(report: Report, sizes: Sizes, rounds: int, with_peer: bool) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cmx-bench-")))
        served = stack.enter_context(child(module("upstream"), core=0, log=folder / "up.log"))
        port = int(served.expect(r"listening http://127\.0\.0\.1:(\d+)/v1")[1])
        upstream = f"http://127.0.0.1:{port}/v1"
        cold = await _cold(folder, upstream, sizes.cold, with_peer)
        words, target = "seconds from start to the first answer", "< 1.5 s"
        theirs = cold.get(PEER, ())
        name = PEER if theirs else None
        report.add(compare(words, "s", "lower", cold[OURS], theirs, peer_name=name, target=target))
        running: Mesh = stack.enter_context(mesh(folder, upstream))
        targets = {DIRECT: Target(DIRECT, port, TOKEN), OURS: Target(OURS, running.port, TOKEN)}
        peers = await _start_peers(stack, folder, upstream) if with_peer else {}
        targets |= {name: target for name, (target, _) in peers.items()}
        peer = peers[PEER][1] if peers else None
        for way in targets.values():
            await ready(way)
        _add_memory(report, "at rest", running.nodes, peer)
        await _measure(report, targets, sizes, rounds)
        costs: dict[str, tuple[Target, Sequence[Child]]]
        costs = {OURS: (targets[OURS], tuple(running.nodes.values()))}
        costs |= {name: (target, (process,)) for name, (target, process) in peers.items()}
        await _measure_cost(report, costs, sizes.calls, rounds)
        _add_memory(report, "after the run", running.nodes, peer)


def parse(arguments: Sequence[str] | None = None) -> tuple[Path | None, int, Sizes, bool]:
    """Return where results go, rounds, sizes, and whether others take part."""
    parser = options("Model calls over two hops, against other proxies.", rounds=5)
    parser.add_argument("--no-peer", action="store_true", help="leave all others out")
    found = parser.parse_args(arguments)
    rounds, sizes = (1, TINY) if found.tiny else (found.rounds, Sizes())
    return found.out, rounds, sizes, not found.no_peer


def main() -> None:
    """Run the benchmark."""
    out, rounds, sizes, with_peer = parse()
    report = Report("models", settings={"rounds": rounds, **attrs.asdict(sizes)})
    report.versions = versions(["clawmatrix", "websockets", "uvicorn", "httptools", "uvloop"])
    if with_peer:
        litellm_proxy.install()
        rust_routers.install()
        report.versions["litellm"] = litellm_proxy.version()
        report.versions |= {name: rust_routers.version(name) for name in rust_routers.ROUTERS}
    with pinned(0) as is_pinned:
        report.settings["pinned"] = is_pinned
        uvloop.run(_run(report, sizes, rounds, with_peer))
    report.save(out)


if __name__ == "__main__":
    main()
