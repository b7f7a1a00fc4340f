"""The way of a dial: which numbers a name leads to, which of them are dialled, and a proxy."""

from __future__ import annotations

import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
import trustme
from anyio.abc import SocketAttribute

from clawmatrix_core.base.errors import DialError
from clawmatrix_core.base.lookups import TcpAddress
from clawmatrix_core.base.tcp import TcpDialler, connect
from clawmatrix_mesh.websocket.transport import WebSocketTransport
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.mesh.invite.inviting import Guest, invite
from tests.plugins.mesh.wire import port_of
from tests.plugins.tcp import pass_on, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import ByteStream

    from clawmatrix_core.base.lookups import IPAddress
    from clawmatrix_core.wire.transport import Objection

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

BLACK_HOLE = "2001:db8::9"


class Net:
    """Names, and numbers that are dead; all else is loopback and real.

    Attributes:
        names: numbers by name. A name that is not there is never answered.
        dialled: the numbers and ports that were connected to.
    """

    def __init__(self, **names: list[str]) -> None:
        self.names = {name.replace("_", "."): numbers for name, numbers in names.items()}
        self.dialled: list[str] = []

    async def resolve(self, host: str, port: int) -> list[TcpAddress]:
        try:
            numbers = [host] if host == "127.0.0.1" else self.names[host]
        except KeyError:
            await anyio.sleep_forever()
            raise
        return [_address(number, port) for number in numbers]

    async def connect(self, address: TcpAddress) -> socket.socket:
        self.dialled.append(str(address.ip))
        if str(address.ip) == BLACK_HOLE:
            await anyio.sleep_forever()
        return await connect(address)

    def dialler(self) -> TcpDialler:
        return TcpDialler(self.resolve, self.connect, stagger=0.01)


def _address(number: str, port: int) -> TcpAddress:
    if ":" in number:
        return TcpAddress(socket.AF_INET6, (number, port, 0, 0))
    return TcpAddress(socket.AF_INET, (number, port))


def none(_: IPAddress) -> str | None:
    return None


def loopback(ip: IPAddress) -> str | None:
    return "a loopback address" if ip.is_loopback else None


@asynccontextmanager
async def listening(transport: WebSocketTransport, scheme: str = "ws") -> AsyncIterator[int]:
    async with transport.listen(f"{scheme}://127.0.0.1:0") as listener:
        yield port_of(listener.addresses[0])


async def dial(transport: WebSocketTransport, address: str, objection: Objection | None) -> None:
    with anyio.fail_after(10):
        if objection is None:
            connection = await transport.dial(address)
        else:
            connection = await transport.dial_advertised(address, objection)
        await connection.close()


# --- names that lead to several numbers, or to none


async def test_dead_first_address_of_a_peer_is_passed_over() -> None:
    net = Net(two_example=[BLACK_HOLE, "127.0.0.1"])
    transport = WebSocketTransport(tcp=net.dialler())
    async with listening(transport) as port:
        await dial(transport, f"ws://two.example:{port}", None)
    assert net.dialled == [BLACK_HOLE, "127.0.0.1"]


async def test_dead_first_address_in_an_invitation_is_passed_over() -> None:
    net = Net(two_example=[BLACK_HOLE, "127.0.0.1"])
    async with make_node("node") as node:
        token = await invite(node, addresses=[f"ws://two.example:{port_of(address_of(node))}"])
        with anyio.fail_after(10):
            await Guest().join(token, WebSocketTransport(tcp=net.dialler()))


async def test_dns_outage_is_told_of_the_name() -> None:
    transport = WebSocketTransport(tcp=Net().dialler(), open_timeout=1.0)
    with pytest.raises(DialError, match=r"gone\.example:1 is not looked up: no name server") as it:
        await transport.dial("ws://gone.example:1")
    assert it.value.reason == "name"


async def test_dns_outage_ends_an_attempt_to_listen_at_a_name() -> None:
    transport = WebSocketTransport(tcp=Net().dialler(), open_timeout=0.1)
    with pytest.raises(OSError, match=r"no name server answered .* gone\.example"):
        async with transport.listen("ws://gone.example:0"):
            pass


async def test_a_dial_that_fails_leaves_no_socket_open() -> None:
    net = Net(two_example=["127.0.0.1"])
    transport = WebSocketTransport(tcp=net.dialler(), open_timeout=0.2)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as silent:
        port = silent.extra(SocketAttribute.local_port)
        for scheme in ("ws", "wss"):  # a socket that is left open is a warning, and an error here
            with pytest.raises(DialError, match="no answer"):
                await transport.dial(f"{scheme}://two.example:{port}")


# --- addresses that others advertise


async def test_direct_dial_ssrf_connects_to_no_number_with_an_objection() -> None:
    net = Net(one_example=["127.0.0.1"], both_example=["::1", "127.0.0.1"])
    transport = WebSocketTransport(strange=net.dialler())
    async with listening(transport) as port:
        for host in ("one.example", "both.example"):
            with pytest.raises(DialError, match=r"is not dialled: .* is a loopback addr") as error:
                await transport.dial_advertised(f"ws://{host}:{port}", loopback)
            assert error.value.reason == "not_permitted"
    assert net.dialled == []


async def test_of_several_numbers_only_those_without_an_objection_are_dialled() -> None:
    net = Net(mixed_example=["127.0.0.2", "127.0.0.1"])
    transport = WebSocketTransport(strange=net.dialler())

    def second(ip: IPAddress) -> str | None:
        return "the second one" if str(ip) == "127.0.0.2" else None

    async with listening(transport) as port:
        await dial(transport, f"ws://mixed.example:{port}", second)
    assert net.dialled == ["127.0.0.1"]


async def test_dns_outage_for_advertised_names_holds_up_no_peers() -> None:
    here = Net(one_example=["127.0.0.1"])
    transport = WebSocketTransport(tcp=here.dialler(), strange=Net().dialler())
    async with listening(transport) as port, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(
                transport.dial_advertised, f"ws://gone{number}.example:{port}", loopback
            )
        await anyio.wait_all_tasks_blocked()
        await dial(transport, f"ws://one.example:{port}", None)
        tasks.cancel_scope.cancel()


async def test_the_certificate_is_checked_for_the_name() -> None:
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), _trusting(authority)
    authority.issue_cert("one.example").configure_cert(server)
    net = Net(one_example=["127.0.0.1"], two_example=["127.0.0.1"])
    transport = WebSocketTransport(server_tls=server, client_tls=client, strange=net.dialler())
    async with listening(transport, "wss") as port:
        await dial(transport, f"wss://one.example:{port}", none)
        with pytest.raises(DialError, match="not trusted"):
            await transport.dial_advertised(f"wss://two.example:{port}", none)


def _trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


# --- through a proxy


class HttpProxy:
    """An HTTP proxy that connects to one port, whatever it is told, and notes what that is."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.first: list[bytes] = []
        self.target = 0

    async def serve(self, near: ByteStream) -> None:
        async with near:
            try:
                head = await near.receive()
            except anyio.EndOfStream:  # somebody looked whether it is there
                return
            self.told.append(head.split()[1].decode())
            async with await anyio.connect_tcp("127.0.0.1", self.target) as far:
                await near.send(b"HTTP/1.1 200 Connected\r\n\r\n")
                self.first.append(await near.receive())
                await far.send(self.first[-1])
                await pass_on(near, far)


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[HttpProxy, str]]:
    proxy = HttpProxy()
    async with serving(proxy.serve) as port:
        yield proxy, f"http://me:secret@proxy.example:{port}"


async def test_the_proxys_own_name_is_looked_up_here_and_a_peers_by_the_proxy() -> None:
    net = Net(proxy_example=[BLACK_HOLE, "127.0.0.1"])
    async with proxied() as (proxy, url), listening(WebSocketTransport()) as proxy.target:
        transport = WebSocketTransport(proxy=url, tcp=net.dialler())
        await dial(transport, f"ws://peer.example:{proxy.target}", None)
        assert proxy.told == [f"peer.example:{proxy.target}"]


async def test_an_advertised_name_is_told_to_a_proxy_as_a_number() -> None:
    net = Net(proxy_example=["127.0.0.1"], one_example=["2001:db8::1", "192.0.2.1"])
    async with proxied() as (proxy, url), listening(WebSocketTransport()) as proxy.target:
        transport = WebSocketTransport(proxy=url, tcp=net.dialler(), strange=net.dialler())
        await dial(transport, f"ws://one.example:{proxy.target}", none)
        assert proxy.told == [f"192.0.2.1:{proxy.target}"]
        assert b"\r\nHost: one.example:" in proxy.first[0]
        net.names["one.example"] = ["127.0.0.1"]
        with pytest.raises(DialError, match="loopback"):
            await transport.dial_advertised(f"ws://one.example:{proxy.target}", loopback)
        assert len(proxy.told) == 1


async def test_behind_a_proxy_the_certificate_is_checked_for_the_name() -> None:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("one.example").configure_cert(server)
    net = Net(proxy_example=["127.0.0.1"], one_example=["192.0.2.1"], two_example=["192.0.2.1"])
    serving = WebSocketTransport(server_tls=server)
    async with proxied() as (proxy, url), listening(serving, "wss") as proxy.target:
        transport = WebSocketTransport(
            proxy=url, client_tls=_trusting(authority), tcp=net.dialler(), strange=net.dialler()
        )
        await dial(transport, f"wss://one.example:{proxy.target}", none)
        with pytest.raises(DialError, match="not trusted"):
            await transport.dial_advertised(f"wss://two.example:{proxy.target}", none)
        assert proxy.told == [f"192.0.2.1:{proxy.target}"] * 2
