"""The WebSocket transport: the acceptance suite over ws and wss, and peers that misbehave."""

from __future__ import annotations

import logging
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
import trustme

from clawmatrix_core.base.errors import ConnectionLost, DialError
from clawmatrix_core.testing.acceptance import TRANSPORT_CHECKS, TransportCase, TransportCheck
from clawmatrix_core.wire.codec import MESSAGE_LIMIT
from clawmatrix_mesh.websocket.transport import WebSocketTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream

    from clawmatrix_core.wire.transport import Listener

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def secure(authority: trustme.CA, name: str = "127.0.0.1") -> WebSocketTransport:
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), client_tls(authority)
    authority.issue_cert(name).configure_cert(server)
    return WebSocketTransport(server_tls=server, client_tls=client)


def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize("check", TRANSPORT_CHECKS, ids=lambda check: check.__name__)
async def test_the_ws_transport_passes(check: TransportCheck) -> None:
    any_port = "ws://127.0.0.1:0"
    await check(TransportCase(WebSocketTransport, any_port, any_port, "ws://127.0.0.1:1"))


@pytest.mark.parametrize("check", TRANSPORT_CHECKS, ids=lambda check: check.__name__)
async def test_the_wss_transport_passes(check: TransportCheck, authority: trustme.CA) -> None:
    any_port = "wss://127.0.0.1:0"
    await check(TransportCase(lambda: secure(authority), any_port, any_port, "wss://127.0.0.1:1"))


@asynccontextmanager
async def listening(
    transport: WebSocketTransport, address: str = "ws://127.0.0.1:0"
) -> AsyncIterator[tuple[Listener, int]]:
    async with transport.listen(address) as listener:
        yield listener, int(listener.addresses[0].rpartition(":")[2])


async def raw(port: int) -> SocketStream:
    return await anyio.connect_tcp("127.0.0.1", port)


async def read_to_end(stream: SocketStream) -> bytes:
    received = b""
    try:
        with anyio.fail_after(10):
            while True:
                received += await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return received


async def upgraded(port: int) -> SocketStream:
    stream = await raw(port)
    await stream.send(UPGRADE)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += await stream.receive(1)
    assert answer.startswith(b"HTTP/1.1 101 ")
    return stream


def masked(opcode: int, payload: bytes) -> bytes:
    length = bytes([0x80 | 126]) + len(payload).to_bytes(2) if len(payload) > 125 else b""
    return bytes([0x80 | opcode]) + (length or bytes([0x80 | len(payload)])) + bytes(4) + payload


async def test_a_peer_that_says_nothing_is_cut_off() -> None:
    async with (
        listening(WebSocketTransport(open_timeout=0.2)) as (_, port),
        await raw(port) as stream,
    ):
        assert await read_to_end(stream) == b""


async def test_a_peer_that_says_nothing_in_place_of_tls_is_cut_off(authority: trustme.CA) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    transport = WebSocketTransport(server_tls=server, open_timeout=0.2)
    async with (
        listening(transport, "wss://127.0.0.1:0") as (_, port),
        await raw(port) as stream,
    ):
        assert await read_to_end(stream) == b""


async def test_a_peer_that_sends_a_byte_at_a_time_is_cut_off() -> None:
    async with (
        listening(WebSocketTransport(open_timeout=0.3)) as (_, port),
        await raw(port) as stream,
        anyio.create_task_group() as tasks,
    ):

        async def drip() -> None:
            for byte in UPGRADE:
                await stream.send(bytes([byte]))
                await anyio.sleep(0.05)

        tasks.start_soon(drip)
        assert await read_to_end(stream) == b""
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"426"),
        (b"GET /clawmatrix?x HTTP/1.1\r\nHost: x\r\n\r\n", b"426"),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
        (UPGRADE.replace(b"GET /", b"GET /elsewhere"), b"404"),
        (UPGRADE.replace(b"Version: 13", b"Version: 12"), b"400"),
        (UPGRADE.replace(b"Host: x", b"Host: x\r\nOrigin: https://evil.example"), b"403"),
        (UPGRADE.replace(b"Host: x", b"Host: x\r\nOrigin: null"), b"403"),
    ],
)
async def test_a_plain_request_gets_a_short_refusal(
    request_bytes: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening(WebSocketTransport()) as (_, port), await raw(port) as stream:
        await stream.send(request_bytes)
        answer = await read_to_end(stream)
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert len(answer) < 600
        assert b"Server:" not in answer
    assert all(not record.exc_info for record in caplog.records)
    assert {record.levelname for record in caplog.records} <= {"DEBUG"}


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x00\xff" * 9, b"\x00" * 20_000, b"SSH-2.0\r\n"])
async def test_garbage_is_cut_off_without_a_word_in_the_log(
    garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with (
        listening(WebSocketTransport(open_timeout=0.3)) as (_, port),
        await raw(port) as stream,
    ):
        await stream.send(garbage)
        await read_to_end(stream)
    assert caplog.records == []


async def test_a_text_message_closes_with_1003() -> None:
    async with listening(WebSocketTransport()) as (listener, port), await upgraded(port) as stream:
        accepted = await listener.accept()
        await stream.send(masked(1, b"hello"))
        async with anyio.create_task_group() as tasks:

            async def answer_the_close() -> None:
                assert (await stream.receive())[2:4] == (1003).to_bytes(2)
                await stream.send(masked(8, (1003).to_bytes(2)))

            tasks.start_soon(answer_the_close)
            with pytest.raises(ConnectionLost) as lost:
                await accepted.receive()
        assert lost.value.code == 1003
        with pytest.raises(ConnectionLost):
            await accepted.receive()


async def test_an_oversized_message_closes_with_1009_before_it_is_read() -> None:
    async with listening(WebSocketTransport()) as (listener, port), await upgraded(port) as stream:
        accepted = await listener.accept()
        await stream.send(bytes([0x82, 0xFF]) + (MESSAGE_LIMIT + 1).to_bytes(8) + bytes(4))
        with pytest.raises(ConnectionLost) as lost:
            await accepted.receive()
        assert lost.value.code == 1009
        assert (await read_to_end(stream))[2:4] == (1009).to_bytes(2)


async def test_closing_does_not_wait_for_a_peer_that_does_not_answer() -> None:
    async with listening(WebSocketTransport()) as (listener, port), await upgraded(port):
        accepted = await listener.accept()
        with anyio.fail_after(3):
            await accepted.close()


async def test_closing_does_not_wait_for_a_peer_that_does_not_read() -> None:
    async with listening(WebSocketTransport()) as (listener, port), await upgraded(port):
        accepted = await listener.accept()
        stalled = False
        while not stalled:
            with anyio.move_on_after(0.2) as scope:
                await accepted.send(bytes(64 * 1024))
            stalled = scope.cancelled_caught
        with anyio.fail_after(3):
            await accepted.close()
        with pytest.raises(ConnectionLost):
            await accepted.send(b"too late")


async def test_a_peer_that_pings_and_does_not_read_is_cut_off() -> None:
    async with listening(WebSocketTransport()) as (listener, port), await upgraded(port) as stream:
        accepted = await listener.accept()
        pings = masked(9, bytes(125)) * 4096

        async def flood() -> None:
            try:
                while True:
                    await stream.send(pings)
            except anyio.BrokenResourceError:
                pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(flood)
            with pytest.raises(ConnectionLost), anyio.fail_after(20):
                await accepted.receive()
            tasks.cancel_scope.cancel()


async def test_leaving_the_listener_does_not_wait_for_half_open_connections() -> None:
    with anyio.fail_after(5):
        async with listening(WebSocketTransport()) as (_, port):
            stream = await raw(port)
            await stream.send(UPGRADE[:20])
        async with stream:
            await read_to_end(stream)


async def test_a_cancelled_dial_leaves_nothing_open() -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as server:
        port = server.extra(anyio.abc.SocketAttribute.local_port)
        gone = anyio.Event()

        async def silent(stream: SocketStream) -> None:
            async with stream:
                await read_to_end(stream)
            gone.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, silent)
            with anyio.move_on_after(0.1) as scope:
                await WebSocketTransport().dial(f"ws://127.0.0.1:{port}")
            assert scope.cancelled_caught
            with anyio.fail_after(5):
                await gone.wait()
            tasks.cancel_scope.cancel()


async def dial_error(transport: WebSocketTransport, address: str) -> str:
    with pytest.raises(DialError) as error:
        await transport.dial(address)
    return str(error.value)


async def test_dial_errors_say_what_to_do(authority: trustme.CA) -> None:
    plain = WebSocketTransport(open_timeout=0.3)
    assert await dial_error(plain, "ws://127.0.0.1:1") == (
        "connection refused by 127.0.0.1:1 (is a node listening there?)"
    )
    assert "refused by localhost:1 " in await dial_error(plain, "ws://localhost:1")
    assert "ws://host:port" in await dial_error(plain, "http://127.0.0.1:1")
    assert "ws://host:port" in await dial_error(plain, "ws://:99999")
    assert "does not resolve" in await dial_error(plain, "ws://no-such-host.invalid:1")
    assert "proxy is not an address" in await dial_error(
        WebSocketTransport(proxy="secret"), "ws://127.0.0.1:1"
    )
    assert "the proxy 127.0.0.1:1 is not reached" in await dial_error(
        WebSocketTransport(proxy="http://me:secret@127.0.0.1:1"), "ws://127.0.0.1:1"
    )


async def test_a_certificate_that_is_not_trusted_is_named(authority: trustme.CA) -> None:
    async with listening(secure(authority), "wss://127.0.0.1:0") as (listener, port):
        address = listener.addresses[0]
        unknown = await dial_error(WebSocketTransport(), address)
        assert f"certificate of 127.0.0.1:{port} is not trusted" in unknown
        assert 'ca = "..."' in unknown
        assert "no connection" not in await dial_error(
            WebSocketTransport(), f"ws://127.0.0.1:{port}"
        )
    async with listening(secure(authority, "office"), "wss://127.0.0.1:0") as (listener, _):
        wrong_name = await dial_error(
            WebSocketTransport(client_tls=client_tls(authority)), listener.addresses[0]
        )
        assert "not trusted" in wrong_name
        assert "ca =" not in wrong_name
    async with listening(WebSocketTransport()) as (_, port):
        tls_to_plain = WebSocketTransport(client_tls=client_tls(authority))
        assert "ws://?" in await dial_error(tls_to_plain, f"wss://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "is not a ClawMatrix node: it answers HTTP 200",
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
            "HTTP 302",
        ),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "is not a ClawMatrix node: "),
        (b"", "no answer from 127.0.0.1:"),
    ],
)
async def test_a_server_of_another_kind_is_named(answer: bytes, text: str) -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as server:
        port = server.extra(anyio.abc.SocketAttribute.local_port)

        async def respond(stream: SocketStream) -> None:
            async with stream:
                await stream.receive()
                if answer:
                    await stream.send(answer)
                await read_to_end(stream)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, respond)
            message = await dial_error(
                WebSocketTransport(open_timeout=0.3), f"ws://user:secret@127.0.0.1:{port}/x"
            )
            assert text in message
            assert "secret" not in message
            tasks.cancel_scope.cancel()


async def test_an_address_that_cannot_be_bound_is_an_os_error() -> None:
    async with listening(WebSocketTransport()) as (listener, _):
        for address in (
            listener.addresses[0],
            "wss://127.0.0.1:0",
            "ws://127.0.0.1:0/x",
            "tcp://x",
        ):
            with pytest.raises(OSError):
                async with WebSocketTransport().listen(address):
                    pass


async def test_what_the_body_of_listen_raises_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with listening(WebSocketTransport()):
            raise KeyError


async def test_the_path_of_the_original_is_served() -> None:
    async with listening(WebSocketTransport()) as (listener, _):
        dialled = await WebSocketTransport().dial(listener.addresses[0] + "/clawmatrix")
        accepted = await listener.accept()
        assert dialled.remote == listener.addresses[0].removeprefix("ws://")
        assert accepted.remote.startswith("127.0.0.1:")
        assert "open" in repr(dialled)
        await dialled.close(1000, "ü" * 200)
