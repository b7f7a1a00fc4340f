"""How soon a client that leaves stops the upstream, over two hops.

``python -m tests.benchmarks.bench_cancel --out results.json``

The client closes its connection in the middle of a stream of a chunk a millisecond, or while
it waits for a whole answer. The upstream, in this process, notes when its own connection is
closed and what it had written by then. Nodes and LiteLLM's proxy run on core 1.
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
from tests.benchmarks.bench_pairs import APIS, OWN
from tests.benchmarks.harness import (
    Report,
    Row,
    compare,
    interleave_async,
    options,
    pinned,
    versions,
)
from tests.benchmarks.http_load import Client, Target, wait_until_up
from tests.benchmarks.mesh import TOKEN, mesh
from tests.benchmarks.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

OURS, PEER = "clawmatrix", "LiteLLM"
PACE, THINK = 0.001, 60.0
PATIENCE = 5.0
"""Seconds after which the upstream counts as not told."""


@attrs.frozen
class Left:
    """What followed a client's leaving: milliseconds until it was noticed, chunks written."""

    noticed: float | None
    chunks: int


class Server:
    """The upstream: makes its connections, and tells which one has an answer under way."""

    def __init__(self) -> None:
        self._under_way: asyncio.Future[Upstream] = asyncio.get_running_loop().create_future()

    def __call__(self) -> Upstream:
        return Upstream(PACE, THINK, self._note)

    def _note(self, connection: Upstream) -> None:
        if not self._under_way.done():
            self._under_way.set_result(connection)

    async def next(self) -> Upstream:
        """Return the connection of the next answer that gets under way."""
        self._under_way = asyncio.get_running_loop().create_future()
        return await asyncio.wait_for(self._under_way, 30)


async def leave(target: Target, server: Server, *, stream: bool, held: bool = False) -> Left:
    """Ask, and leave when the answer is under way; ``held`` lets nothing of it go out before."""
    client = await Client.open(target)
    request = target.request(chunks=100_000) if stream else target.request()
    if held:
        request = request.replace(b"\r\n", b"\r\nx-clawmatrix-hold: whole\r\n", 1)
    client.send(request)
    busy = await server.next()
    await asyncio.sleep(0.05)  # what is written by now is with the client, or on its way
    written, began = busy.written, time.perf_counter()
    client.close()
    try:
        await asyncio.wait_for(busy.lost.wait(), PATIENCE)
    except TimeoutError:
        left = Left(None, busy.written - written)
        busy.finish()
        await asyncio.sleep(0.1)
        return left
    return Left((busy.lost_at - began) * 1e3, busy.written - written)


def _rows(report: Report, kind: str, found: dict[str, list[Left]]) -> None:
    def add(words: str, unit: str, read: Callable[[Sequence[Left]], float], target: str) -> None:
        ours, peer = read(found[OURS]), read(found[PEER]) if PEER in found else None
        name = PEER if peer is not None else None
        report.add(Row(f"{kind}: {words}", unit, "lower", ours, peer, name, None, target))

    words, limit = f"not noticed within {PATIENCE:g} s", "0"
    add(words, f"of {len(found[OURS])}", lambda all_: sum(x.noticed is None for x in all_), limit)
    times = {
        name: [x.noticed for x in all_ if x.noticed is not None] for name, all_ in found.items()
    }
    if times[OURS]:
        peer = times.get(PEER, ())
        same = len(peer) == len(times[OURS])
        words, name = f"{kind}: from leaving to the upstream's notice, median", PEER
        row = compare(words, "ms", "lower", times[OURS], peer if same else (), peer_name=name)
        report.add(row)
        slowest = max(times[OURS])
        theirs = max(peer) if peer else None
        words = f"{kind}: the same, longest"
        report.add(Row(words, "ms", "lower", slowest, theirs, PEER if peer else None))
    if kind.endswith("stream"):
        add(
            "chunks written after, most", "chunks", lambda all_: max(x.chunks for x in all_), "< 50"
        )


async def _run(report: Report, rounds: int, with_peer: bool) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cmx-bench-")))
        server = Server()
        listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        upstream = f"http://127.0.0.1:{port}/v1"
        running = stack.enter_context(mesh(folder, upstream, {api: api for api in APIS}))
        targets = {OURS: Target(OURS, running.port, TOKEN, OWN["chat"])}
        if with_peer:
            _, peer_port = stack.enter_context(litellm_proxy.proxy(folder, upstream))
            targets[PEER] = Target(PEER, peer_port, litellm_proxy.KEY)
            await wait_until_up(targets[PEER], "/health/liveliness")
        await _ready(targets[OURS])
        for kind in ("stream", "whole"):
            cases: dict[str, Callable[[], Awaitable[Left]]] = {
                name: functools.partial(leave, target, server, stream=kind == "stream")
                for name, target in targets.items()
            }
            await interleave_async(cases, 1)
            _rows(report, kind, await interleave_async(cases, rounds))
        await _others(report, running.port, server, rounds)
        listening.close()


async def _others(report: Report, port: int, server: Server, rounds: int) -> None:
    """Measure the other endpoints, a converted answer, and one that is held back."""
    ways = {
        "responses": Target(OURS, port, TOKEN, OWN["responses"], "responses"),
        "messages": Target(OURS, port, TOKEN, OWN["messages"], "messages"),
        "messages to openai-completions": Target(OURS, port, TOKEN, OWN["chat"], "messages"),
    }
    for words, target in ways.items():
        for kind in ("stream", "whole"):
            case = functools.partial(leave, target, server, stream=kind == "stream")
            found = await interleave_async({OURS: case}, rounds)
            _rows(report, f"{words}, {kind}", found)
    chat = Target(OURS, port, TOKEN, OWN["chat"])
    held = functools.partial(leave, chat, server, stream=True, held=True)
    _rows(report, "held, stream", await interleave_async({OURS: held}, rounds))


async def _ready(target: Target) -> None:
    """Return once a short stream is answered: records have spread, and routes are there."""
    async with asyncio.timeout(30):
        while True:
            client = await Client.open(target)
            try:
                await client.ask(target.request(chunks=1), 5.0)
            except AssertionError:
                await asyncio.sleep(0.1)
            else:
                break
            finally:
                client.close()


def main() -> None:
    """Run the benchmark."""
    parser = options("How soon a client that leaves stops the upstream.", rounds=9)
    parser.add_argument("--no-peer", action="store_true", help="leave LiteLLM out")
    arguments = parser.parse_args()
    rounds = 2 if arguments.tiny else arguments.rounds
    report = Report("cancel", settings={"rounds": rounds, "pace_ms": PACE * 1e3})
    report.versions = versions(["clawmatrix", "websockets", "uvicorn", "httptools", "uvloop"])
    if not arguments.no_peer:
        litellm_proxy.install()
        report.versions["litellm"] = litellm_proxy.version()
    with pinned(0) as is_pinned:
        report.settings["pinned"] = is_pinned
        uvloop.run(_run(report, rounds, not arguments.no_peer))
    report.save(arguments.out)


if __name__ == "__main__":
    main()
