"""Reverse proxies in front of a node: the snippets of docs/reverse-proxies.md, as they are run."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import attrs
import pytest
import trustme

from clawmatrix_core.base.errors import DialError, HandshakeError
from clawmatrix_core.base.tcp import TcpDialler
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mesh.invite.inviting import BURST
from clawmatrix_mesh.websocket.transport import WebSocketTransport
from tests.integration.conftest import free_port, wait_for
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.mesh.invite.inviting import Guest, invite
from tests.plugins.mesh.wire import port_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from clawmatrix_core.base.lookups import TcpAddress
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_mesh.invite.token import Token

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

PAGE = (Path(__file__).parents[2] / "docs" / "reverse-proxies.md").read_text()
STRANGER = "127.0.0.5"
"""Where whoever means no good dials from; the proxy sees it, and the node is told."""
FORGED = "198.51.100.66"
NGINX = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {snippet}
}}
"""
CADDY = "{{\n admin off\n auto_https disable_redirects\n skip_install_trust\n}}\n{snippet}\n"
COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "nginx": (NGINX, ("-p", "{folder}", "-c", "{file}", "-e", "{folder}/log")),
    "haproxy": ("{snippet}\n", ("-db", "-f", "{file}")),
    "caddy": (CADDY, ("run", "--adapter", "caddyfile", "--config", "{file}")),
}


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(
            f"{name} is not here: apt-get install nginx-light haproxy caddy,"
            " which `make reverse-proxies` does as root"
        )
    return found


def snippet(name: str) -> str:
    [found] = re.findall(rf"(?s)```{name}\n(.*?)```", PAGE)
    assert isinstance(found, str)
    return found


@attrs.define
class Certificates:
    folder: Path
    authority: trustme.CA = attrs.field(factory=trustme.CA)

    def __attrs_post_init__(self) -> None:
        issued = self.authority.issue_cert("localhost")
        chain = issued.cert_chain_pems[0].bytes()
        key = issued.private_key_pem.bytes()
        (self.folder / "mesh.pem").write_bytes(chain)
        (self.folder / "mesh.key").write_bytes(key)
        (self.folder / "both.pem").write_bytes(chain + key)
        (self.folder / "ca.pem").write_bytes(self.authority.cert_pem.bytes())

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


@attrs.define
class Front:
    """A proxy that runs in front of a node.

    Attributes:
        port: where it listens.
        node: where it passes connections on to.
    """

    port: int
    node: int
    certificates: Certificates

    @property
    def address(self) -> str:
        return f"wss://localhost:{self.port}"

    def transport(self, source: str | None = None) -> WebSocketTransport:
        tcp = TcpDialler(connect=connecting_from(source)) if source else None
        return WebSocketTransport(client_tls=self.certificates.client(), tcp=tcp)

    async def get(self, path: str, headers: str = "") -> bytes:
        """Send a request from the stranger's address; return what comes back at first."""
        return await anyio.to_thread.run_sync(self._get, path, headers)

    def _get(self, path: str, headers: str) -> bytes:
        context = self.certificates.client()
        with (
            socket.create_connection(("127.0.0.1", self.port), 10, (STRANGER, 0)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as sock,
        ):
            head = f"GET {path} HTTP/1.1\r\nhost: localhost:{self.port}\r\n{headers}\r\n"
            sock.sendall(head.encode())
            data = b""
            while b"\r\n\r\n" not in data or b" 101 " not in data:
                more = sock.recv(65536)
                data += more
                if not more or b"ok\n" in data:
                    return data
            sock.sendall(b"\x82\x84\x00\x00\x00\x00mess")  # no preamble
            sock.recv(65536)
            return data


def connecting_from(source: str) -> Callable[[TcpAddress], AwaitableSocket]:
    async def connect(address: TcpAddress) -> socket.socket:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            if address.family == socket.AF_INET6:
                raise OSError("from an IPv4 address")
            sock.setblocking(False)
            sock.bind((source, 0))
            sock.connect_ex(address.name)
            await anyio.wait_writable(sock)
        except BaseException:
            sock.close()
            raise
        return sock

    return connect


if TYPE_CHECKING:
    from collections.abc import Awaitable

    AwaitableSocket = Awaitable[socket.socket]


@contextmanager
def running(
    name: str, folder: Path, node_port: int, change: Callable[[str], str] = lambda text: text
) -> Iterator[Front]:
    """Run a proxy with the snippet of the page, in which only places are others."""
    binary = program(name)
    front = Front(free_port(), node_port, Certificates(folder))
    text = snippet(name)
    for there, here in (
        ("/etc/ssl/mesh.example.both.pem", f"{folder}/both.pem"),
        ("/etc/ssl/mesh.example.pem", f"{folder}/mesh.pem"),
        ("/etc/ssl/mesh.example.key", f"{folder}/mesh.key"),
        ("listen 443 ssl", f"listen {front.port} ssl"),
        ("bind :443", f"bind 127.0.0.1:{front.port}"),
        ("mesh.example {", f"localhost:{front.port} {{"),
        ("mesh.example", "localhost"),
        ("127.0.0.1:19000", f"127.0.0.1:{node_port}"),
    ):
        text = text.replace(there, here)
    template, arguments = COMMANDS[name]
    file = folder / f"{name}.conf"
    file.write_text(template.format(folder=folder, snippet=change(text)))
    command = [binary, *(one.format(folder=folder, file=file) for one in arguments)]
    homes = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    output = folder / "output"
    with output.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **homes}
        )
    try:
        wait_for(lambda: answers(front.port), f"{name} listens: see {output}")
        yield front
    finally:
        process.terminate()
        process.wait(10)


def answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), 5):
        return True


@asynccontextmanager
async def fronted(
    name: str, folder: Path, change: Callable[[str], str] = lambda text: text
) -> AsyncIterator[tuple[Node, Front]]:
    async with make_node("node", proxies=["127.0.0.1/32"]) as node:
        with running(name, folder, port_of(address_of(node)), change) as front:
            yield node, front


async def wrong(token: Token, front: Front, source: str) -> str:
    with pytest.raises(HandshakeError) as caught:
        await Guest("wrong").join(token, front.transport(source))
    return caught.value.reason


UPGRADE = (
    "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@pytest.mark.parametrize("name", COMMANDS)
async def test_reverse_proxies_pass_on_links_and_invitations(name: str, tmp_path: Path) -> None:
    async with fronted(name, tmp_path) as (node, front):
        good = await invite(node, addresses=[front.address])
        unknown = attrs.evolve(good, id=bytes(8))
        reasons = [await wrong(unknown, front, STRANGER) for _ in range(BURST + 2)]
        assert reasons[-1] == "busy"
        await Guest().join(good, front.transport())
        assert await wrong(unknown, front, "127.0.0.6") == "invite_unknown"
        ca = str(tmp_path / "ca.pem")
        async with make_node("home", listen=None, peers=[front.address], ca=ca) as home:
            await wait_until(lambda: "node" in home.links and "home" in node.links)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    "forged", ["", f"x-forwarded-for: {FORGED}\r\n", f"forwarded: for={FORGED}\r\n"]
)
async def test_reverse_proxies_tell_the_node_who_is_there(
    name: str, forged: str, tmp_path: Path
) -> None:
    async with fronted(name, tmp_path) as (node, front):
        assert b" 101 " in await front.get("/", UPGRADE + forged)
        await wait_until(lambda: node.counters["bad_preamble"] == 1)
        [section] = [one for one in node.status_sections() if one.name == "mesh"]
        status = section.read()
        assert isinstance(status, dict)
        assert [one["remote"] for one in status["refused"]] == [f"{STRANGER}:0"]


@pytest.mark.parametrize("name", COMMANDS)
async def test_reverse_proxies_can_ask_whether_the_node_is_up(name: str, tmp_path: Path) -> None:
    async with fronted(name, tmp_path) as (node, front):
        answer = await front.get("/healthz", "connection: close\r\n")
        assert b" 200 " in answer.partition(b"\r\n")[0]
        assert answer.endswith(b"\r\n\r\nok\n")
        assert node.counters["ws_health"] >= 1


def without(*lines: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        for line in lines:
            assert line in text
            text = text.replace(line, "")
        return text

    return change


def below_a_path(text: str) -> str:
    return text.replace("location / {", "location /mesh/ {")


def with_a_line(line: str) -> Callable[[str], str]:
    return lambda text: text.replace("location / {", "location / {\n" + line)


WRONG: dict[str, tuple[Callable[[str], str], str, str, str]] = {
    "301": (below_a_path, "/mesh", "redirected", "sends everybody on to"),
    "401": (
        with_a_line('auth_basic "x"; auth_basic_user_file /dev/null;'),
        "",
        "wants_password",
        "a user and a password",
    ),
    "403": (with_a_line("deny all;"), "", "forbidden", "does not let this node in"),
    "404": (below_a_path, "/other", "no_such_path", "no node at this path"),
    "426": (
        without("proxy_set_header Upgrade $http_upgrade;"),
        "",
        "no_upgrade",
        "pass on the headers Upgrade and Connection",
    ),
    "429": (with_a_line("return 429;"), "", "throttled", "no more connections from here"),
    "503": (with_a_line("return 503;"), "", "unavailable", "the node stops or starts"),
    "505": (without("proxy_http_version 1.1;"), "", "old_http", "proxy_http_version 1.1"),
}


@pytest.mark.parametrize("status", WRONG)
async def test_reverse_proxies_that_are_set_up_wrongly_are_told_by_their_status(
    status: str, tmp_path: Path
) -> None:
    change, path, reason, words = WRONG[status]
    async with fronted("nginx", tmp_path, change) as (_, front):
        with pytest.raises(DialError, match=f"HTTP {status}: .*{words}") as caught:
            await front.transport().dial(front.address + path)
        assert caught.value.reason == reason


async def test_reverse_proxies_can_serve_a_node_below_a_path(tmp_path: Path) -> None:
    async with fronted("nginx", tmp_path, below_a_path) as (node, front):
        token = await invite(node, addresses=[f"{front.address}/mesh/"])
        await Guest().join(token, front.transport())


async def test_reverse_proxies_without_their_node_are_told_from_a_node_that_is_none(
    tmp_path: Path,
) -> None:
    with running("nginx", tmp_path, free_port()) as front:
        with pytest.raises(DialError, match=r"HTTP 502: .* does not reach the node") as caught:
            await front.transport().dial(front.address)
        assert caught.value.reason == "bad_gateway"
        with pytest.raises(DialError, match=r"HTTP 400: .* where ws:// is dialled"):
            await front.transport().dial(front.address.replace("wss", "ws"))
