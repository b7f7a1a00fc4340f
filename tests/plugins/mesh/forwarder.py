"""A stretch of wire: a TCP forwarder on loopback that can be cut, or go silent."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketAttribute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream

__all__ = ["Forwarder", "forwarder"]

_GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


class Forwarder:
    """Carries bytes between whoever connects and a port, which may be told later.

    Attributes:
        port: where it listens.
        target: the port it connects to.
        delay: seconds that bytes take, each way.
        open: whether it takes connections and passes bytes on; while it is not, it resets.
        made: connections it has carried.
        carried: bytes it has carried, both ways.
    """

    def __init__(self, port: int, target: int = 0, delay: float = 0.0) -> None:
        self.port = port
        self.target = target
        self.delay = delay
        self.open = True
        self.made = self.carried = 0
        self._scopes: set[anyio.CancelScope] = set()
        self._flowing = anyio.Event()
        self._flowing.set()

    @property
    def address(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Reset every connection, and take none until mended."""
        self.open = False
        for scope in tuple(self._scopes):
            scope.cancel()

    def mend(self) -> None:
        """Take connections again."""
        self.open = True

    def silence(self) -> None:
        """Pass nothing on any more, without a word."""
        self._flowing = anyio.Event()

    async def serve(self, client: SocketStream) -> None:
        """Carry one connection until it ends."""
        async with client:
            if not self.open:
                return
            self.made += 1
            with anyio.CancelScope() as scope:
                self._scopes.add(scope)
                try:
                    async with (
                        await anyio.connect_tcp("127.0.0.1", self.target) as server,
                        anyio.create_task_group() as tasks,
                    ):
                        tasks.start_soon(self._carry, client, server, scope)
                        tasks.start_soon(self._carry, server, client, scope)
                except OSError:
                    return
                finally:
                    self._scopes.discard(scope)

    async def _carry(
        self, source: SocketStream, target: SocketStream, scope: anyio.CancelScope
    ) -> None:
        try:
            while True:
                data = await source.receive()
                await self._flowing.wait()
                await anyio.sleep(self.delay)
                await target.send(data)
                self.carried += len(data)
        except _GONE:
            scope.cancel()


@asynccontextmanager
async def forwarder(target: int = 0, *, delay: float = 0.0) -> AsyncIterator[Forwarder]:
    """Run a forwarder."""
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        port = listener.extra(SocketAttribute.local_port)
        made = Forwarder(port, target, delay)
        tasks.start_soon(listener.serve, made.serve)
        yield made
        tasks.cancel_scope.cancel()
