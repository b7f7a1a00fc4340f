"""Answers of HTTP to a dial: each status has words of its own, and so has a proxy on the way."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.abc import SocketAttribute

from clawmatrix_core.base.errors import DialError
from clawmatrix_core.config.config import ConfigSection
from clawmatrix_mesh.checks.advice import advice_for
from clawmatrix_mesh.checks.resting import resting_checks
from clawmatrix_mesh.config import MeshConfig
from clawmatrix_mesh.websocket.transport import WebSocketTransport
from tests.plugins.mesh.conftest import make_node
from tests.plugins.mesh.invite.inviting import Guest, invite
from tests.plugins.mesh.wire import port_of
from tests.plugins.tcp import pass_on, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import ByteStream

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

STATUSES = (301, 302, 307, 308, 400, 401, 403, 404, 426, 429, 502, 503, 504, 505, 521, 522, 526)


@asynccontextmanager
async def answering(head: str) -> AsyncIterator[int]:
    """Answer each connection with the same head; yield the port."""

    async def serve(stream: ByteStream) -> None:
        async with stream:
            try:
                await stream.receive()
            except anyio.EndOfStream:
                return
            await stream.send(f"{head}\r\ncontent-length: 0\r\n\r\n".encode())
            await stream.send_eof()

    async with serving(serve) as port:
        yield port


async def failed(address: str, proxy: str | None = None) -> DialError:
    with pytest.raises(DialError) as caught, anyio.fail_after(15):
        await WebSocketTransport(proxy=proxy).dial(address)
    return caught.value


@pytest.mark.parametrize("status", STATUSES)
async def test_each_status_has_words_and_advice_of_its_own(status: int) -> None:
    async with answering(f"HTTP/1.1 {status} x") as port:
        error = await failed(f"ws://127.0.0.1:{port}")
    assert str(error).startswith(f"127.0.0.1:{port} answers HTTP {status}: ")
    assert "is not a ClawMatrix node" not in str(error)
    assert advice_for(error.reason) not in (advice_for(""), advice_for("not_a_node"))


@pytest.mark.parametrize("status", [200, 204, 418, 500])
async def test_another_status_is_another_program(status: int) -> None:
    async with answering(f"HTTP/1.1 {status} x") as port:
        error = await failed(f"ws://127.0.0.1:{port}")
    assert error.reason == "not_a_node"
    assert f"is not a ClawMatrix node: it answers HTTP {status}" in str(error)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://mesh.example/mesh/", "wss://mesh.example/mesh/"),
        ("HTTPS://mesh.example", "wss://mesh.example"),
        ("http://me:secret@mesh.example/?token=secret", "@mesh.example/"),
        ("/mesh/", "/mesh/"),
        ("javascript:alert(1)", "another address"),
        ("https://mesh.example/\x9b31mred", "another address"),
        ("https://mesh.example/" + "a" * 300, "another address"),
        ("https://mesh.example/\r\nlocation: https://evil.example/", "another address"),
    ],
)
async def test_a_redirect_names_where_it_leads_and_is_not_followed(
    location: str, shown: str
) -> None:
    async with answering(f"HTTP/1.1 301 x\r\nlocation: {location}") as port:
        error = await failed(f"ws://127.0.0.1:{port}")
    assert error.reason == "redirected"
    assert f"{shown}: dial that one" in str(error)
    assert "secret" not in str(error)


async def test_doctor_and_join_have_the_words_of_a_status() -> None:
    async with answering("HTTP/1.1 502 x") as port:
        address = f"ws://127.0.0.1:{port}"
        config = make_node("home", peers=[address]).config
        config.bind([ConfigSection("mesh", MeshConfig)])
        [check] = [one for one in resting_checks(config) if one.name == "mesh.peer"]
        finding, *_ = await check.run()
        assert "answers HTTP 502: a reverse proxy there does not reach" in finding.detail
        assert finding.advice == advice_for("bad_gateway")
        async with make_node("node") as node:
            token = await invite(node, addresses=[address])
            with pytest.raises(DialError, match="answers HTTP 502: a reverse proxy"):
                await Guest().join(token)


# --- a proxy that is dialled through


async def free_port() -> int:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        return int(listener.extra(SocketAttribute.local_port))


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_dead_proxy_is_blamed_itself(scheme: str) -> None:
    async with WebSocketTransport().listen("ws://127.0.0.1:0") as listener:
        port = await free_port()
        proxy = f"{scheme}://me:correct-horse@127.0.0.1:{port}"
        error = await failed(listener.addresses[0], proxy)
    assert error.reason == "proxy_down"
    assert str(error).startswith(f"the proxy 127.0.0.1:{port} is not reached: ")
    assert "is a node listening there" not in str(error)
    assert "correct-horse" not in str(error)
    assert "proxy" in advice_for(error.reason)


async def test_a_proxy_whose_name_is_none_is_blamed_itself() -> None:
    error = await failed("ws://127.0.0.1:1", "http://nowhere.invalid:8080")
    assert error.reason == "proxy_down"
    assert "the proxy nowhere.invalid:8080 is not reached" in str(error)


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (403, "proxy", "does not let this address or port through"),
        (405, "proxy", "takes no CONNECT"),
        (407, "proxy", "wants a user and a password"),
        (418, "proxy", "answers HTTP 418"),
        (502, "proxy_target", "does not reach that address"),
        (503, "proxy_target", "does not reach that address"),
        (504, "proxy_target", "gets no answer"),
    ],
)
async def test_what_a_proxy_refuses_is_told_by_its_status(
    status: int, reason: str, words: str
) -> None:
    async with answering(f"HTTP/1.1 {status} x") as port:
        error = await failed("ws://127.0.0.1:1", f"http://127.0.0.1:{port}")
    assert error.reason == reason
    assert "the proxy does not connect to 127.0.0.1:1" in str(error)
    assert words in str(error)


# --- SOCKS


async def test_socks_without_its_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    for name in [one for one in sys.modules if one.partition(".")[0] == "python_socks"]:
        monkeypatch.delitem(sys.modules, name)
    error = await failed("ws://127.0.0.1:1", "socks5://127.0.0.1:1080")
    assert error.reason == "proxy_package"
    assert "needs the package python-socks" in str(error)


class SocksProxy:
    """A SOCKS 5 proxy that notes what it is told; ``code`` is what it answers."""

    def __init__(self, code: int = 0) -> None:
        self.told: list[tuple[int, bytes]] = []
        self.code = code

    async def serve(self, near: ByteStream) -> None:
        async with near:
            try:
                await near.receive()
            except anyio.EndOfStream:
                return
            await near.send(b"\x05\x00")
            request = await near.receive()
            self.told.append((request[3], request[4:-2]))
            port = int.from_bytes(request[-2:], "big")
            await near.send(bytes([5, self.code, 0, 1, 0, 0, 0, 0, 0, 0]))
            if self.code:
                return
            async with await anyio.connect_tcp("127.0.0.1", port) as far:
                await pass_on(near, far)


@pytest.mark.parametrize(
    ("scheme", "told"),
    [("socks5", (1, b"\x7f\x00\x00\x01")), ("socks5h", (3, b"\x09localhost"))],
)
async def test_socks_proxies_are_dialled_through(scheme: str, told: tuple[int, bytes]) -> None:
    proxy = SocksProxy()
    async with (
        serving(proxy.serve) as port,
        WebSocketTransport().listen("ws://127.0.0.1:0") as listener,
    ):
        transport = WebSocketTransport(proxy=f"{scheme}://127.0.0.1:{port}")
        with anyio.fail_after(10):
            there = port_of(listener.addresses[0])
            connection = await transport.dial(f"ws://localhost:{there}")
            await connection.close()
    assert proxy.told in ([told], [(4, bytes(15) + b"\x01")])


async def test_socks_proxies_that_refuse_are_told_in_their_words() -> None:
    async with serving(SocksProxy(5).serve) as port:
        error = await failed("ws://127.0.0.1:1", f"socks5://127.0.0.1:{port}")
    assert error.reason == "proxy"
    assert "the proxy does not connect to 127.0.0.1:1: " in str(error)
    assert "refused" in str(error).lower()
