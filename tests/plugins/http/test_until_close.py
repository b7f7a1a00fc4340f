"""Clients of HTTP/1.0 get no chunks, and clients of HTTP/1.1 get them as before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.plugins.http.conftest import TOKEN

if TYPE_CHECKING:
    from tests.plugins.http.conftest import Served, Serving

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The server needs asyncio, and nodes run on uvloop where it is installed."""
    return "asyncio", {"use_uvloop": request.param}


async def ask(served: Served, path: str, version: str, method: str = "GET") -> tuple[bytes, bytes]:
    """Return the head and the body that come until the connection closes."""
    address = served.http.address
    assert address is not None
    head = f"{method} {path} HTTP/{version}\r\nhost: localhost\r\nx-api-key: {TOKEN}\r\n"
    async with await anyio.connect_tcp(address.host, address.port) as stream:
        await stream.send(head.encode() + b"connection: close\r\n\r\n")
        told = b""
        with anyio.fail_after(20):
            try:
                while True:
                    told += await stream.receive()
            except anyio.EndOfStream:
                pass
    first, _, body = told.partition(b"\r\n\r\n")
    return first.lower(), body


async def test_a_stream_ends_with_the_connection(serving: Serving) -> None:
    async with serving() as served:
        served.routes.go_on.set()
        head, body = await ask(served, "/slow", "1.0")
        assert (body, b"transfer-encoding" in head) == (b"one two", False)
        assert b"connection: close" in head
        head, body = await ask(served, "/slow", "1.1")
    assert b"transfer-encoding: chunked" in head
    assert body == b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"


async def test_an_answer_in_one_piece_keeps_its_length(serving: Serving) -> None:
    async with serving() as served:
        head, body = await ask(served, "/things/x", "1.0")
        assert b"content-length: 5" in head
        assert body == b"GET x"
        head, body = await ask(served, "/v1/nothing", "1.0")
    assert b"404" in head
    assert b"there is no" in body


async def test_one_that_breaks_has_no_end_of_its_own(serving: Serving) -> None:
    async with serving() as served:
        _, body = await ask(served, "/v1/breaks", "1.0")
        assert len(served.faults) == 1
    assert body == b"half of "
