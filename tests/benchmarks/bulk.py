"""Two nodes, one of which reads many bytes from the other, in frames of 64 KiB.

``python -m tests.benchmarks.bulk serve|ask CONFIG [--bytes N] [--unsealed]``

``ask`` prints the bytes a second at which the answer came, and what its processor spent on a
MB in nanoseconds, and ends.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.wire.codec import CHUNK
from tests.benchmarks.unsealed import take_the_seal_out

if TYPE_CHECKING:
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.wire.frames import Frame

OFFICE = NodeId("office")
_FRAME = bytes(range(256)) * (CHUNK // 256)


class Bulk:
    """Answers ``bulk_req`` with as many bytes as it asks for."""

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Keep the scope that answers run in."""
        self._scope = scope

    @hookimpl
    @frame_types("bulk_req")
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        """Take a request."""
        return node.accept(frame, self._answer, self._scope)

    async def _answer(self, exchange: Exchange) -> None:
        for _ in range(int(exchange.request) // CHUNK):
            await exchange.send(_FRAME)


async def serve(config: Config) -> None:
    """Answer until killed."""
    async with Node(config, plugins=["mesh", "relay", Bulk()]) as node:
        [mesh] = [one.read() for one in node.status_sections() if one.name == "mesh"]
        print(f"listening {mesh['listen'][0]}", flush=True)
        await node.wait_stop()


async def ask(config: Config, size: int) -> None:
    """Read an answer, and print how fast it came."""
    async with Node(config, plugins=["mesh", "relay"]) as node:
        await wait_until(lambda: node.reachable(OFFICE))
        await _read(node, size // 8)  # warms up
        began, spent = time.perf_counter(), time.process_time()
        read = await _read(node, size)
        took, spent = time.perf_counter() - began, time.process_time() - spent
        print(f"rate {read / took:.0f} cost {spent / read * 1e15:.0f}", flush=True)


async def _read(node: Node, size: int) -> int:
    async with node.exchange(OFFICE, "bulk_req", size, complete=True) as exchange:
        read = 0
        async for piece in exchange:
            read += len(piece)
    assert read == size, f"{read} of {size} bytes came"
    return read


def main() -> None:
    """Serve, or ask."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("serve", "ask"))
    parser.add_argument("config", type=Path)
    parser.add_argument("--bytes", type=int, default=64 * 1024 * 1024)
    parser.add_argument("--unsealed", action="store_true")
    given = parser.parse_args()
    if given.unsealed:
        take_the_seal_out()
    config = Config.load(given.config)
    options = {"use_uvloop": True}
    if given.what == "serve":
        anyio.run(serve, config, backend_options=options)
    else:
        anyio.run(ask, config, given.bytes, backend_options=options)


if __name__ == "__main__":
    main()
