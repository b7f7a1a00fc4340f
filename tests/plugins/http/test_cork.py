"""The transport that gathers writes."""

from __future__ import annotations

import asyncio
import socket

import pytest

from clawmatrix_http.cork import LIMIT, CorkedTransport


class Inner(asyncio.Transport):
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__(extra={"peername": ("127.0.0.1", 1)})
        self.log: list[object] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.log.append(bytes(data))

    def close(self) -> None:
        """Note it."""
        self.closed = True
        self.log.append("close")

    def abort(self) -> None:
        """Note it."""
        self.log.append("abort")

    def is_closing(self) -> bool:
        """Say so once closed."""
        return self.closed


@pytest.fixture
def anyio_backend() -> str:
    """asyncio alone has such transports."""
    return "asyncio"


@pytest.mark.anyio
async def test_writes_of_one_turn_go_out_as_one() -> None:
    inner = Inner()
    corked = CorkedTransport(inner, asyncio.get_running_loop())
    corked.write(b"head")
    corked.write(bytearray(b" body"))
    assert inner.log == []
    await asyncio.sleep(0)
    assert inner.log == [b"head body"]
    corked.write(b"more")
    await asyncio.sleep(0)
    assert inner.log == [b"head body", b"more"]


@pytest.mark.anyio
async def test_much_goes_out_at_once() -> None:
    inner = Inner()
    corked = CorkedTransport(inner, asyncio.get_running_loop())
    corked.write(b"x" * LIMIT)
    assert inner.log == [b"x" * LIMIT]
    corked.write(b"y")
    await asyncio.sleep(0)
    assert inner.log[1:] == [b"y"]


@pytest.mark.anyio
async def test_close_sends_first_and_abort_does_not() -> None:
    closed, aborted = Inner(), Inner()
    corked = CorkedTransport(closed, asyncio.get_running_loop())
    corked.write(b"last")
    corked.close()
    corked.write(b"too late")
    assert closed.log == [b"last", "close"]
    assert corked.is_closing()
    corked = CorkedTransport(aborted, asyncio.get_running_loop())
    corked.write(b"last")
    corked.abort()
    await asyncio.sleep(0)
    assert aborted.log == ["abort"]


@pytest.mark.anyio
async def test_it_knows_what_the_connection_knows() -> None:
    corked = CorkedTransport(Inner(), asyncio.get_running_loop())
    assert corked.get_extra_info("peername") == ("127.0.0.1", 1)
    assert corked.get_extra_info("nothing", 7) == 7


@pytest.mark.anyio
async def test_a_slow_reader_makes_a_real_connection_pause() -> None:
    paused = asyncio.Event()

    class Writer(asyncio.Protocol):
        def pause_writing(self) -> None:
            paused.set()

    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with theirs:
        transport, _ = await loop.create_connection(Writer, sock=ours)
        corked = CorkedTransport(transport, loop)
        corked.write(b"z" * 16 * 1024 * 1024)
        await asyncio.wait_for(paused.wait(), 5)
        corked.abort()
        await asyncio.sleep(0)
