"""TCP servers for tests, and what proxies do: they pass on what comes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketAttribute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from anyio.abc import ByteStream, SocketStream

__all__ = ["pass_on", "serving"]


@asynccontextmanager
async def serving(answer: Callable[[SocketStream], Awaitable[object]]) -> AsyncIterator[int]:
    """Have each connection answered in a task of its own; yield the port."""
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, answer)
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def pass_on(near: ByteStream, far: ByteStream) -> None:
    """Pass on what comes from either end to the other one, until both are done."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_pass_one_way, near, far)
        tasks.start_soon(_pass_one_way, far, near)


async def _pass_one_way(source: ByteStream, sink: ByteStream) -> None:
    try:
        while True:
            await sink.send(await source.receive())
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        await sink.aclose()
