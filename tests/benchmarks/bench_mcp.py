"""Calls of one MCP server through our nodes and through other proxies, and a long list.

``python -m tests.benchmarks.bench_mcp --out results.json``

Each proxy is a process on one core, with the server that it started; what asks them is on the
other. All of them run for the whole time and are asked in turn, by clients that do no more than
write bytes and look for the end of the answer: what a client takes would hide what a proxy takes.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio.to_thread
import attrs
import uvloop

from tests.benchmarks.harness import Report, compare, interleave_async, options, pinned, versions
from tests.benchmarks.mcp_client import McpClient
from tests.peers_mcp.peers import FASTMCP, ONE_NODE, OVER_RELAY, PEERS, SUPERGATEWAY, missing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Case = Callable[[], Awaitable[float]]

ON_DISK: Final = {ONE_NODE: "one node, its state on the disk", OVER_RELAY: "over a relay, on disks"}
MEMORY: Final = Path("/dev/shm")


@attrs.frozen
class Sizes:
    """How much is asked for in a round."""

    calls: int = 100
    lists: int = 20


TINY: Final = Sizes(calls=3, lists=2)


def _median_ms(act: Callable[[], Awaitable[None]], count: int) -> Case:
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
def _folder(name: str, *, memory: bool) -> Iterator[Path]:
    place = MEMORY if memory and MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="cmx-bench-", dir=place) as folder:
        made = Path(folder) / name
        made.mkdir()
        yield made


async def _measure_echo(report: Report, sizes: Sizes, rounds: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        cases: dict[str, Case] = {}
        ways = [(name, name, True) for name in PEERS if name not in missing()]
        ways += [(words, name, False) for name, words in ON_DISK.items()]
        for words, name, memory in ways:
            folder = stack.enter_context(_folder("peer", memory=memory))
            peer = await anyio.to_thread.run_sync(stack.enter_context, PEERS[name](folder))
            client = await McpClient.open(peer.url, peer.headers)
            stack.callback(client.close)
            await client.until_listed(f"{peer.prefix}echo")
            ask = client.calls(f"{peer.prefix}echo", {"value": "here"})
            cases[words] = _median_ms(ask, sizes.calls)
        await interleave_async(cases, 1)  # warms all up
        found = await interleave_async(cases, rounds)
    for words, figures in found.items():
        peers = {ONE_NODE: (SUPERGATEWAY, "<= 1.25"), OVER_RELAY: (FASTMCP, "<= 1")}
        peer, target = peers.get(words, (SUPERGATEWAY, None))
        beside = found.get(peer, ()) if words != peer else ()
        row = f"echo, {words}, p50"
        report.add(
            compare(row, "ms", "lower", figures, beside, peer_name=peer, target=target if beside else None)
        )


async def _run(report: Report, sizes: Sizes, rounds: int) -> None:
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
