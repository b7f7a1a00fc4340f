"""The node with tools of ``bench_tools``, and the node that calls them.

``python -m tests.benchmarks.tool_ends run -c CONFIG`` is the first one, as ``clawmatrix run`` would
start it, with one more tool: ``pour`` writes as many bytes as it is asked for.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import attrs

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.wire.codec import CHUNK
from clawmatrix_model_proxy.api import ask_model
from clawmatrix_tool_proxy.api import Tool, ToolCall, call_tool, tool
from tests.benchmarks.bulk import Bulk
from tests.benchmarks.mesh import SECRET, node, relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from clawmatrix_core import JSON
    from tests.benchmarks.processes import Child

__all__ = ["OFFICE", "Caller", "caller"]

OFFICE = NodeId("office")
_FRAME = bytes(range(256)) * (CHUNK // 256)
_FILE = 4096
_PLUGINS = ("mesh", "relay", "audit", "grants", "tool-proxy", "model-proxy", "http")
_BODY: dict[str, JSON] = {"messages": [{"role": "user", "content": "How fast are you?"}]}


@tool(deadline=600)
async def pour(call: ToolCall, size: int) -> int:
    """Write so many bytes, in pieces of 64 KiB."""
    for _ in range(size // CHUNK):
        await call.write(_FRAME)
    return size


class PourPlugin:
    """Brings ``pour``."""

    plugin_name = "pour"
    extends = ("tool-proxy",)

    @hookimpl
    def register_tools(self) -> list[Tool]:
        """Return the tool."""
        return [pour]


async def _serve(config: Config) -> None:
    async with Node(config, plugins=[*_PLUGINS, PourPlugin(), Bulk()]) as served:
        print("node office is up", flush=True)
        await served.wait_stop()


def _office_body(address: str, upstream: str, notes: Path, key: str, most: int) -> str:
    return (
        f'[mesh]\npeers = ["{address}"]\n[http]\nlisten = "127.0.0.1:0"\n'
        f'[[model-proxy.models]]\nid = "bench"\nbase_url = "{upstream}"\n'
        f'api_key = "env:BENCH_TOKEN"\n[tool-proxy]\nallow = ["*"]\nmax_output = {most}\n'
        f"roots.notes = {json.dumps(str(notes))}\n"
        f'[grants.home]\nkey = "{key}"\ntools = ["*"]\n'
    )


def _home_config(address: str, folder: Path) -> Config:
    table = {
        "node_id": "home",
        "secret": SECRET,
        "state_dir": str(folder / "home"),
        "mesh": {"peers": [address]},
        "http": {"listen": "127.0.0.1:0"},
    }
    return Config.from_mapping(table)


@attrs.frozen
class Caller:
    """The node that calls, in this process; office and the relay are processes.

    Attributes:
        node: the node.
        office: the process of the node with the tools.
        relay: the process of the relay.
    """

    node: Node
    office: Child
    relay: Child

    async def call(self, name: str, arguments: Mapping[str, JSON], size: int = 0) -> float:
        """Call a tool that writes so many bytes; return the seconds until its result was there."""
        read, began = 0, time.perf_counter()
        async with call_tool(self.node, OFFICE, name, arguments) as running:
            async for part in running:
                read += len(part) if isinstance(part, bytes) else 0
            await running.result()
            took = time.perf_counter() - began
        assert read == size, f"{read} of {size} bytes came"
        return took

    async def read(self) -> float:
        """Read a file of 4 KiB; return the seconds until it was there."""
        return await self.call("read", {"path": "notes/page.txt"}, _FILE)

    async def ask(self) -> float:
        """Ask the model of office; return the seconds that the answer took."""
        began = time.perf_counter()
        answer = await ask_model(self.node, "office/bench", _BODY)
        assert answer["choices"], answer
        return time.perf_counter() - began

    async def bulk(self, size: int) -> float:
        """Read so many bytes of a plain exchange; return the seconds that took."""
        began = time.perf_counter()
        async with self.node.exchange(OFFICE, "bulk_req", size, complete=True) as exchange:
            read = 0
            async for piece in exchange:
                read += len(piece)
        assert read == size, f"{read} of {size} bytes came"
        return time.perf_counter() - began


@contextlib.asynccontextmanager
async def caller(folder: Path, upstream: str, most: int) -> AsyncIterator[Caller]:
    """Run the three nodes; calls of home may have ``most`` bytes of output."""
    notes = folder / "notes"
    notes.mkdir()
    (notes / "page.txt").write_bytes(b"A line of 32 characters, or so.\n" * (_FILE // 32))
    async with contextlib.AsyncExitStack() as stack:
        between, address = stack.enter_context(relay(folder))
        home = Node(_home_config(address, folder), plugins=_PLUGINS)
        await stack.enter_async_context(home)
        body = _office_body(address, upstream, notes, home.identity.key_text, most)
        office = stack.enter_context(node("office", body, folder, __name__))
        await anyio.to_thread.run_sync(office.expect, "is up")
        await wait_until(lambda: home.reachable(OFFICE))
        yield Caller(home, office, between)


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("run",))
    parser.add_argument("-c", dest="config", type=Path, required=True)
    config = Config.load(parser.parse_args().config)
    anyio.run(_serve, config, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
