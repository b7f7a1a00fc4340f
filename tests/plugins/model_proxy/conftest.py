"""Upstreams that do exactly what a test says, and nodes that serve them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from clawmatrix_core.config.config import Config
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_model_proxy.plugin import ModelProxyPlugin

if TYPE_CHECKING:
    from anyio.abc import SocketStream


@attrs.define
class Asked:
    """A request that reached an upstream, and the connection it came by."""

    stream: SocketStream
    head: bytes
    body: bytes

    async def send(self, data: bytes) -> None:
        """Send bytes, whatever they are."""
        await self.stream.send(data)

    async def answer(self, body: bytes, *, status: int = 200, **headers: str) -> None:
        """Send a whole answer."""
        fields = {"content-type": "application/json", **headers, "content-length": str(len(body))}
        await self.send(_head(status, fields) + body)

    async def begin_stream(self, *, type_: str = "text/event-stream") -> None:
        """Send the head of a stream of chunks."""
        await self.send(_head(200, {"content-type": type_, "transfer-encoding": "chunked"}))

    async def chunk(self, data: bytes) -> None:
        """Send one chunk."""
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def end_stream(self) -> None:
        """Send the chunk that ends the stream."""
        await self.send(b"0\r\n\r\n")

    async def wait_gone(self) -> None:
        """Return when the other end has closed."""
        try:
            while True:
                await self.stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass


def _head(status: int, fields: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} X"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@attrs.define
class Upstream:
    """An upstream that runs, and what it was asked."""

    base_url: str
    asked: list[Asked] = attrs.field(factory=list)


Answer = Callable[[Asked], Awaitable[None]]
Upstreaming = Callable[[Answer], AbstractAsyncContextManager[Upstream]]


@pytest.fixture
def upstreaming() -> Upstreaming:
    """Return what runs an upstream; a connection is closed when its answer returns."""

    @asynccontextmanager
    async def run(answer: Answer) -> AsyncIterator[Upstream]:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        upstream = Upstream(f"http://127.0.0.1:{port}/v1")

        async def serve(stream: SocketStream) -> None:
            async with stream:
                try:
                    while (asked := await _read(stream)) is not None:
                        upstream.asked.append(asked)
                        await answer(asked)
                        if b"connection: close" in asked.head.lower():
                            return
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    pass

        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, serve)
            yield upstream
            tasks.cancel_scope.cancel()

    return run


async def _read(stream: SocketStream) -> Asked | None:
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            data += await stream.receive()
        except anyio.EndOfStream:
            return None
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    length = lengths[0] if lengths else 0
    while len(body) < length:
        body += await stream.receive()
    return Asked(stream, head, body)


Serving = Callable[..., AbstractAsyncContextManager[Node]]


@pytest.fixture
def serving() -> Serving:
    """Return what runs a node whose ``[model-proxy]`` table has these keys."""

    @asynccontextmanager
    async def run(
        *, plugins: list[object] | None = None, config: dict[str, Any] | None = None, **table: Any
    ) -> AsyncIterator[Node]:
        raw = {"node_id": "here", "secret": "s" * 40, "model-proxy": table, **(config or {})}
        chosen = [ModelProxyPlugin(), *(plugins or [])]
        settings = Config.from_mapping(raw)
        async with Node(settings, plugins=chosen, state=MemoryState()) as node:
            yield node
            assert [info.last_fault for info in node.plugins.list() if info.faults] == []

    return run


@pytest.fixture(scope="session")
def embedded_url() -> Iterator[str]:
    """Return the base URL of the embedded upstream, in a process of its own."""
    command = [sys.executable, "-m", "clawmatrix_model_proxy.demo.embedded"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip().removeprefix("listening on ")
        process.terminate()
