"""Calls of one MCP server through our nodes and through other proxies, and a long list.

``python -m tests.benchmarks.bench_mcp --out results.json``

Each proxy is a process on one core, with the server that it started; what asks them is on the
other. All of them run for the whole time and are asked in turn: by the official client, and by
one that only writes bytes and looks for the end of the answer, as what a client takes hides what a
proxy takes. State is in memory but where a row says otherwise: peers write nothing down, and how
long a flush takes is up to the disk.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio.to_thread
import attrs
import uvloop

from tests.benchmarks.harness import Report, compare, interleave_async, options, pinned, versions
from tests.benchmarks.mcp_client import McpClient
from tests.benchmarks.mesh import CORE, TOKEN, node
from tests.benchmarks.processes import child, free_port, module
from tests.peers_mcp.peers import FASTMCP, ONE_NODE, OVER_RELAY, PEERS, SUPERGATEWAY, missing
from tests.peers_mcp.scenarios import asking

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.peers_mcp.peers import Peer

    Case = Callable[[], Awaitable[float]]

ON_DISK: Final = {ONE_NODE: "one node, its state on the disk", OVER_RELAY: "over a relay, on disks"}
MEMORY: Final = Path("/dev/shm")


@attrs.frozen
class Sizes:
    """How much is asked for in a round."""

    calls: int = 40
    lists: int = 20
    nodes: int = 20
    tools: int = 5


TINY: Final = Sizes(calls=3, lists=2, nodes=2, tools=2)


def _median_ms(act: Callable[[], Awaitable[object]], count: int) -> Case:
    """Return a case that does something so often, one after another: the median of one."""

    async def case() -> float:
        found = []
        for _ in range(count):
            began = time.perf_counter()
            await act()
            found.append(time.perf_counter() - began)
        return statistics.median(found) * 1e3

    return case


@contextlib.contextmanager
def _folder(*, memory: bool) -> Iterator[Path]:
    place = MEMORY if memory and MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="cmx-bench-", dir=place) as folder:
        yield Path(folder)


async def _measure_echo(report: Report, sizes: Sizes, rounds: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        bare: dict[str, Case] = {}
        official: dict[str, Case] = {}
        used: dict[str, Peer] = {}
        ways = [(name, name, True) for name in PEERS if name not in missing()]
        ways += [(words, name, False) for name, words in ON_DISK.items()]
        for words, name, memory in ways:
            folder = stack.enter_context(_folder(memory=memory))
            peer = await anyio.to_thread.run_sync(stack.enter_context, PEERS[name](folder))
            client = await McpClient.open(peer.url, peer.headers)
            stack.callback(client.close)
            await client.until_listed(f"{peer.prefix}echo")
            ask = client.calls(f"{peer.prefix}echo", {"value": "here"})
            bare[words], used[words] = _median_ms(ask, sizes.calls), peer
            if memory:
                to = await stack.enter_async_context(asking(peer, "legacy"))
                official[words] = _median_ms(partial(to.call, "echo"), sizes.calls)
        for cases, who in ((official, "the official client"), (bare, "a bare client")):
            await interleave_async(cases, 1)  # warms all up
            found = await interleave_async(cases, rounds)
            _add_rows(report, found, who, promised=cases is official)
        for words, peer in used.items():
            before = peer.process.cpu()
            await bare[words]()
            spent = (peer.process.cpu() - before) / sizes.calls * 1e3
            row = f"processor time of a call in the process before the server, {words}"
            report.add(compare(row, "ms", "lower", [spent]))


def _add_rows(report: Report, found: dict[str, list[float]], who: str, *, promised: bool) -> None:
    targets = {ONE_NODE: (SUPERGATEWAY, "<= 1.25"), OVER_RELAY: (FASTMCP, "<= 1")}
    for words, figures in found.items():
        peer, target = targets.get(words, (SUPERGATEWAY, None))
        beside = found.get(peer, ()) if words != peer else ()
        row = f"echo, {words}, {who}, p50"
        wanted = target if promised and beside else None
        report.add(compare(row, "ms", "lower", figures, beside, peer_name=peer, target=wanted))


async def _measure_list(report: Report, sizes: Sizes, rounds: int) -> None:
    """List the tools of many nodes: at first, and when their lists are known."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_folder(memory=True))
        port, mesh_port = free_port(), free_port()
        names = [f"node{number:02}" for number in range(sizes.nodes)]
        body = (
            f'[mesh]\nlisten = "127.0.0.1:{mesh_port}"\n[mcp]\nnodes = {json.dumps(names)}\n'
            f'[http]\nlisten = "127.0.0.1:{port}"\ntoken = "env:BENCH_TOKEN"\n'
        )
        home = stack.enter_context(node("home", body, folder))
        await anyio.to_thread.run_sync(home.expect, "is up")
        address = f"ws://127.0.0.1:{mesh_port}"
        command = module("mcp_nodes", address, str(sizes.nodes), str(sizes.tools))
        many = stack.enter_context(child(command, core=CORE, log=folder / "many.log"))
        await anyio.to_thread.run_sync(many.expect, "all are up")
        headers = {"authorization": f"Bearer {TOKEN}"}
        client = await McpClient.open(f"http://127.0.0.1:{port}/mcp", headers)
        stack.callback(client.close)
        began = time.perf_counter()
        await client.list_tools()
        first = (time.perf_counter() - began) * 1e3
        wanted = [f"{name}__work{number}" for name in names for number in range(sizes.tools)]
        await client.until_listed(*wanted)
        case = _median_ms(client.list_tools, sizes.lists)
        await case()
        figures = [await case() for _ in range(rounds)]
    words = f"{len(wanted)} tools of {sizes.nodes} nodes, listed"
    report.add(compare(f"{words} the first time", "ms", "lower", [first]))
    report.add(compare(f"{words}, p50", "ms", "lower", figures, target="< 50 ms"))


async def _run(report: Report, sizes: Sizes, rounds: int) -> None:
    await _measure_list(report, sizes, rounds)
    await _measure_echo(report, sizes, rounds)


def main() -> None:
    """Run the benchmark."""
    parser = options("Calls of an MCP server through proxies.", rounds=9)
    arguments = parser.parse_args()
    sizes = TINY if arguments.tiny else Sizes()
    rounds = 1 if arguments.tiny else arguments.rounds
    report = Report("mcp", settings={"rounds": rounds, **attrs.asdict(sizes)})
    report.versions = versions(["clawmatrix", "mcp", "websockets", "uvloop", "msgspec"])
    with pinned(0) as is_pinned:
        report.settings["pinned"] = is_pinned
        uvloop.run(_run(report, sizes, rounds))
    report.save(arguments.out)


if __name__ == "__main__":
    main()
