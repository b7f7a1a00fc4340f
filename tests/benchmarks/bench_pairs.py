"""Clients of each API before upstreams of each: what conversion costs.

``python -m tests.benchmarks.bench_pairs --out results.json``

home -> relay -> office -> upstream, as in ``bench_models``. A pair's peer is the pass-through of
the same client's API to an upstream of its own, in the same run; beside it stands LiteLLM's
proxy, one process and one hop, for the pairs that it has. All proxies run on core 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import uvloop

from tests.benchmarks import litellm_proxy
from tests.benchmarks.harness import (
    Report,
    compare,
    interleave_async,
    options,
    pinned,
    quantile,
    versions,
)
from tests.benchmarks.http_load import Client, Target, check_stream, wait_until_up
from tests.benchmarks.mesh import TOKEN, mesh
from tests.benchmarks.processes import child, module
from tests.benchmarks.speech import SPEECHES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

OURS, PEER = "clawmatrix", "LiteLLM"
APIS = {
    "openai-completions": "openai/bench",
    "openai-responses": "openai/responses/bench",
    "anthropic-messages": "anthropic/bench",
}
"""The APIs of upstreams, and LiteLLM's words for a model behind each."""
OWN = dict(zip(SPEECHES, APIS, strict=True))
"""The API that takes each client's requests as they are."""
Key = tuple[str, str, str]
"""Who is asked, the client's API, the upstream's."""


@attrs.frozen
class Sizes:
    """How much is asked for in a round."""

    chunks: int = 2000
    calls: int = 60


TINY = Sizes(chunks=20, calls=2)


async def chunks_per_second(target: Target, chunks: int) -> float:
    """Return the chunks a second of one stream, which has to arrive whole."""
    client = await Client.open(target)
    stream = await client.ask(target.request(chunks=chunks))
    client.close()
    check_stream(stream, chunks, target.api)
    return chunks / stream.whole


async def call_p50(target: Target, calls: int) -> float:
    """Return the median milliseconds of some calls, one after another."""
    client = await Client.open(target)
    request = target.request()
    times = [(await client.ask(request)).whole * 1e3 for _ in range(calls)]
    client.close()
    return quantile(times, 0.5)


async def works(target: Target, seconds: float) -> bool:
    """Say whether a target answers, whole and as a stream, within this time."""
    ends = time.monotonic() + seconds
    while True:
        try:
            await call_p50(target, 1)
            await chunks_per_second(target, 20)
        except (AssertionError, OSError, ValueError, KeyError, TimeoutError):
            if time.monotonic() > ends:
                return False
            await asyncio.sleep(0.2)
        else:
            return True


def _targets(who: str, port: int, token: str) -> dict[Key, Target]:
    return {
        (who, client, api): Target(who, port, token, api, client)
        for client in SPEECHES
        for api in APIS
    }


async def _measure(
    report: Report, targets: Mapping[Key, Target], sizes: Sizes, rounds: int
) -> None:
    def each(
        case: Callable[[Target, int], Awaitable[float]], size: int
    ) -> dict[str, Callable[[], Awaitable[float]]]:
        cases = {"|".join(key): functools.partial(case, t, size) for key, t in targets.items()}
        return dict(cases)

    await interleave_async(each(call_p50, sizes.calls), 1)  # warms all up
    chunks = await interleave_async(each(chunks_per_second, sizes.chunks), rounds)
    _add(report, chunks, "chunks a second", "chunks/s", higher=True)
    calls = await interleave_async(each(call_p50, sizes.calls), rounds)
    _add(report, calls, "a call, p50", "ms", higher=False)


def _add(
    report: Report, found: Mapping[str, Sequence[float]], words: str, unit: str, *, higher: bool
) -> None:
    better = "higher" if higher else "lower"
    for client in SPEECHES:
        passed = found["|".join((OURS, client, OWN[client]))]
        for api in APIS:
            ours = found["|".join((OURS, client, api))]
            measure = f"{client} to {api}, {words}"
            converted = api != OWN[client]
            target = ">= 0.33" if converted and higher else None
            peer, name = (passed, "passed") if converted else ((), None)
            report.add(
                compare(measure, unit, better, ours, peer, peer_name=name, target=target)  # type: ignore[arg-type]
            )
            theirs = found.get("|".join((PEER, client, api)))
            if theirs is not None:
                report.add(compare(measure, unit, better, ours, theirs, peer_name=PEER))  # type: ignore[arg-type]


async def _run(report: Report, sizes: Sizes, rounds: int, with_peer: bool) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cmx-bench-")))
        served = stack.enter_context(child(module("upstream"), core=0, log=folder / "up.log"))
        port = int(served.expect(r"listening http://127\.0\.0\.1:(\d+)/v1")[1])
        upstream = f"http://127.0.0.1:{port}/v1"
        running = stack.enter_context(mesh(folder, upstream, {api: api for api in APIS}))
        targets = _targets(OURS, running.port, TOKEN)
        for key, target in targets.items():
            assert await works(target, 30), key
        if with_peer:
            _, peer_port = stack.enter_context(litellm_proxy.proxy(folder, upstream, APIS))
            theirs = _targets(PEER, peer_port, litellm_proxy.KEY)
            await wait_until_up(next(iter(theirs.values())), "/health/liveliness")
            had = {key: target for key, target in theirs.items() if await works(target, 1)}
            report.settings["LiteLLM has"] = [" to ".join(key[1:]) for key in had]
            targets |= had
        await _measure(report, targets, sizes, rounds)


def main() -> None:
    """Run the benchmark."""
    parser = options("What conversion costs, for each pair of APIs.", rounds=5)
    parser.add_argument("--no-peer", action="store_true", help="leave LiteLLM out")
    found = parser.parse_args()
    rounds, sizes = (1, TINY) if found.tiny else (found.rounds, Sizes())
    report = Report("pairs", settings={"rounds": rounds, **attrs.asdict(sizes)})
    report.versions = versions(["clawmatrix", "websockets", "uvicorn", "msgspec", "uvloop"])
    if not found.no_peer:
        litellm_proxy.install()
        report.versions["litellm"] = litellm_proxy.version()
    with pinned(0) as is_pinned:
        report.settings["pinned"] = is_pinned
        uvloop.run(_run(report, sizes, rounds, not found.no_peer))
    report.save(found.out)


if __name__ == "__main__":
    main()
