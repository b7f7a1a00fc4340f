"""Connections to the port of the mesh that are never opened: counted by reason, and not logged."""

from __future__ import annotations

import ssl
from collections import Counter
from typing import TYPE_CHECKING

import anyio
import pytest
import trustme

from clawmatrix_core.base.errors import DialError
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mesh.websocket.transport import WebSocketTransport
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.mesh.wire import UPGRADE, Wire

if TYPE_CHECKING:
    from anyio.abc import SocketStream

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

HEAD = b"host: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
KEY = b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n"
REQUESTS: dict[str, tuple[str, bytes]] = {
    "bytes that are no HTTP": ("ws_no_request", b"\x00garbage\r\n\r\n"),
    "a TLS hello": ("ws_no_request", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "no upgrade": ("ws_bad_request", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
    "no key": ("ws_bad_request", b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n"),
    "a web page": ("ws_origin", b"GET / HTTP/1.1\r\n" + HEAD + KEY + b"origin: http://a\r\n\r\n"),
    "another path": ("ws_not_found", b"GET /x HTTP/1.1\r\n" + HEAD + KEY + b"\r\n"),
}


async def send_and_leave(port: int, data: bytes) -> None:
    stream: SocketStream
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(data)
        try:
            with anyio.fail_after(10):
                while True:
                    await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass


@pytest.mark.parametrize("name", REQUESTS)
async def test_what_is_no_opening_is_counted_by_reason(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    reason, data = REQUESTS[name]
    counts: Counter[str] = Counter()
    transport = WebSocketTransport(refused=lambda one: counts.update((one,)))
    async with transport.listen("ws://127.0.0.1:0") as listener:
        port = int(listener.addresses[0].rpartition(":")[2])
        for _ in range(5):
            await send_and_leave(port, data)
        await wait_until(lambda: counts[reason] == 5)
    assert counts == {reason: 5}
    assert not caplog.records


async def test_bytes_that_are_no_tls_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    transport = WebSocketTransport(server_tls=context)
    async with transport.listen("wss://127.0.0.1:0") as listener:
        port = int(listener.addresses[0].rpartition(":")[2])
        for _ in range(5):
            await send_and_leave(port, b"\x00garbage\r\n\r\n")
    assert not caplog.records


async def test_a_node_has_them_among_what_it_refused() -> None:
    async with make_node("node") as node:
        port = int(address_of(node).rpartition(":")[2])
        await send_and_leave(port, REQUESTS["another path"][1])
        await wait_until(lambda: node.counters["ws_not_found"] == 1)


async def test_messages_that_come_with_the_request_are_counted() -> None:
    async with make_node("node") as node:
        port = int(address_of(node).rpartition(":")[2])
        for _ in range(5):
            await send_and_leave(port, UPGRADE + Wire.frame(bytes(1_000_000)))
        await wait_until(lambda: node.counters["too_large"] == 5)


@pytest.mark.parametrize(
    "proxy", ["http://me:correct/horse@h:1", "http://me:correct@h:horse", "ftp://me:correct@h"]
)
async def test_a_proxy_that_is_none_is_named_without_its_password(proxy: str) -> None:
    with pytest.raises(DialError) as caught:
        await WebSocketTransport(proxy=proxy).dial("ws://127.0.0.1:1")
    assert caught.value.reason == "proxy"
    assert "correct" not in str(caught.value)
    assert "horse" not in str(caught.value)
