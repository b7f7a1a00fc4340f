"""The peer of the relay benchmark: forwards bytes between two connections, and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import uvloop
from websockets.asyncio.server import ServerConnection, serve

if TYPE_CHECKING:
    from websockets.asyncio.connection import Connection

# As this project sets the library, so that the difference is the node's own work.
SETTINGS = {"compression": None, "ping_interval": None, "max_size": 2**20, "max_queue": (64, 16)}


async def main() -> None:
    """Serve until killed."""
    ends: dict[str, asyncio.Future[Connection]] = {}

    async def handle(ws: ServerConnection) -> None:
        loop = asyncio.get_running_loop()
        path = ws.request.path if ws.request else "/"
        ends.setdefault(path, loop.create_future()).set_result(ws)
        other = "/b" if path == "/a" else "/a"
        far = await ends.setdefault(other, loop.create_future())
        async for message in ws:
            await far.send(message)

    async with serve(handle, "127.0.0.1", 0, write_limit=65536, **SETTINGS) as server:  # type: ignore[arg-type]
        print(f"listening ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.wait_closed()


uvloop.run(main())
