"""An endless stream whose every byte can be checked, to read while paths come and go."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.base.errors import ExchangeError
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import frame_types

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.wire.frames import Frame

__all__ = ["Reading", "StreamPlugin", "chunk", "reading"]


PACE = 0.002


def chunk(number: int) -> bytes:
    """Return what the stream has at a place: no two places have the same."""
    return hashlib.shake_128(b"%d" % number).digest(500 + number * 37 % 4000)


class StreamPlugin:
    """Sends chunk after chunk until it is told to stop; then says how many there were."""

    plugin_name = "stream"

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Be ready to answer."""
        self._scope = scope

    @hookimpl
    @frame_types("stream")
    def frame_received(self, node: Node, frame: Frame) -> bool:
        """Answer with a stream."""
        return node.accept(frame, self._send, self._scope)

    async def _send(self, ex: Exchange) -> None:
        told = anyio.Event()

        async def listen() -> None:
            await ex.receive()
            told.set()

        number = 0
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                while not told.is_set():
                    await ex.send(chunk(number))
                    number += 1
                    await anyio.sleep(PACE)  # as a model's answer comes, not as a file's
        except* ExchangeError:
            pass  # the reader hears of it too
        else:
            await ex.finish({"chunks": number})


class Reading:
    """The stream as one node reads it.

    Attributes:
        chunks: how many have come, each the right one.
        pause: the longest time without one, in the clock's seconds, since it was set to 0.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.chunks = 0
        self.pause = 0.0
        self.total: int | None = None
        self._exchange = exchange
        self._told = False

    async def until(self, condition: Callable[[], object], *, more: int = 20) -> None:
        """Read until a condition holds, and some chunks after that."""
        while not condition():
            await self._read()
        for _ in range(more):
            await self._read()

    async def to_the_end(self) -> None:
        """Have the stream end, and read the rest: none is missing, none is too many."""
        await self._exchange.finish("stop")
        while self.total is None:
            await self._read()
        assert self.total == self.chunks
        assert [payload async for payload in self._exchange] == []

    async def _read(self) -> None:
        began = anyio.current_time()
        payload = await self._exchange.receive()
        self.pause = max(self.pause, anyio.current_time() - began)
        if isinstance(payload, bytes):
            assert payload == chunk(self.chunks), f"chunk {self.chunks} is not what was sent"
            self.chunks += 1
        else:
            self.total = payload["chunks"]


@asynccontextmanager
async def reading(node: Node, source: str) -> AsyncIterator[Reading]:
    """Open a stream from another node."""
    async with node.exchange(source, "stream") as exchange:
        found = Reading(exchange)
        await found.until(lambda: True)
        yield found
