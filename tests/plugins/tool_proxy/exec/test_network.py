"""Sockets that commands can make, and where these lead."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import HostPort
from clawmatrix_tool_proxy.exec.guarding.job import Network
from clawmatrix_tool_proxy.exec.network import network_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plugins.tool_proxy.exec.lab import Lab

pytestmark = pytest.mark.anyio

FAMILIES = {
    "unix": (1, 1, 0),
    "unix datagram": (1, 2, 0),
    "netlink": (16, 3, 0),
    "packet": (17, 3, 0),
    "alg": (38, 5, 0),
    "vsock": (40, 1, 0),
    "bluetooth": (31, 3, 0),
    "can": (29, 3, 1),
    "mptcp": (2, 1, 262),
    "mptcp 6": (10, 1, 262),
    "sctp": (2, 1, 132),
    "sctp packets": (2, 5, 132),
    "udp": (2, 2, 0),
    "udp 6": (10, 2, 17),
    "raw": (2, 3, 1),
    "dccp": (2, 6, 33),
    "smc": (43, 1, 0),
    "inet by a wide number": (2 | 1 << 40, 2, 0),
}
MAKE = """
def make(family, kind, protocol):
    number = 41 if os.uname().machine == "x86_64" else 198
    made = call(number, family, kind, protocol)
    return made if isinstance(made, str) else "made"
"""
REFUSED = {"EAFNOSUPPORT", "ESOCKTNOSUPPORT", "EPROTONOSUPPORT"}


async def test_sockets_of_no_other_kind_than_tcp_are_made(lab: Lab) -> None:
    ran = await lab.python(f"{MAKE}\ntold({{n: make(*k) for n, k in {FAMILIES!r}.items()}})")
    assert {name: made for name, made in ran.json.items() if made not in REFUSED} == {}


async def test_tcp_sockets_are_made_with_all_their_flags(lab: Lab) -> None:
    flags = 0x80000 | 0x800
    kinds = [(2, 1, 0), (2, 1, 6), (10, 1, 0), (2, 1 | flags, 6)]
    ran = await lab.python(f"{MAKE}\ntold([make(*k) for k in {kinds!r}])")
    assert ran.json == ["made"] * len(kinds)


async def test_pairs_of_sockets_are_connected_for_good(lab: Lab) -> None:
    code = """
unix = socket.AF_UNIX
one, other = socket.socketpair(unix, socket.SOCK_STREAM)
one.send(b"hello")
told([
    other.recv(5).decode(),
    tried(socket.socketpair, unix, socket.SOCK_DGRAM),
    tried(one.connect, "/run/x"), tried(one.sendto, b"x", "/run/x"),
    tried(socket.socketpair, unix, socket.SOCK_SEQPACKET)[0].family,
])"""
    hello, pair, connected, sent, family = (await lab.python(code)).json
    assert (hello, family) == ("hello", 1)
    assert pair in REFUSED
    assert connected in ("EACCES", "EISCONN")
    assert sent == "EISCONN"


async def test_unix_sockets_of_other_programs_are_out_of_reach(lab: Lab) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as control:
        path = lab.root / "control.sock"
        control.bind(str(path))
        path.chmod(0o777)
        control.listen()
        code = f"s = tried(socket.socket, socket.AF_UNIX)\ntold(s)\ns.connect({str(path)!r})"
        ran = await lab.python(code)
    assert ran.json in REFUSED
    assert ran.ended.exit == 1


CONNECT = """
def connect(port, host="127.0.0.1"):
    with socket.socket() as s:
        s.settimeout(5)
        return tried(s.connect, (host, port)) or "connected"
"""


async def test_no_connection_is_made_unless_configured(lab: Lab) -> None:
    with server() as port:
        code = f"""{CONNECT}
s = socket.socket()
told([
    connect({port}), tried(s.bind, ("127.0.0.1", 0)), tried(s.listen),
    tried(s.sendto, b"x", 0x20000000, ("127.0.0.1", {port})),
    tried(s.sendmsg, [b"x"], [], 0x20000000, ("127.0.0.1", {port})),
    tried(s.setsockopt, 6, 31, b"smc"),
])"""
        ran = await lab.python(code)
    assert ran.json == ["EACCES"] * 3 + ["ENOTSUP"] * 2 + ["ENOPROTOOPT"]


async def test_connections_go_to_configured_ports_only(lab: Lab) -> None:
    with server() as allowed, server() as other:
        code = f"""{CONNECT}
s = socket.socket()
told([
    connect({allowed}), connect({allowed}, "office.test"), connect({other}),
    tried(s.bind, ("127.0.0.1", 0)), tried(s.listen),
    tried(s.sendto, b"x", 0x20000000, ("127.0.0.1", {other})),
    tried(s.setsockopt, 6, 31, b"smc"),
    tried(socket.socket, socket.AF_INET, socket.SOCK_DGRAM),
])"""
        network = Network(ports=(allowed,), hosts="127.0.0.1 office.test\n")
        ran = await lab.python(code, network=network)
    refused = ["EACCES"] * 3 + ["ENOTSUP", "ENOPROTOOPT"]
    assert ran.json[:-1] == ["connected", "connected", *refused]
    assert ran.json[-1] in REFUSED


async def test_an_open_network_has_servers_and_udp(lab: Lab) -> None:
    with server() as port:
        code = f"""{CONNECT}{MAKE}
listener = socket.create_server(("127.0.0.1", 0))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
told([
    connect({port}), connect(listener.getsockname()[1]), tried(udp.bind, ("127.0.0.1", 0)),
    make(1, 1, 0), make(2, 1, 262), make(16, 3, 0),
])"""
        ran = await lab.python(code, network=Network(open=True))
    assert ran.json[:3] == ["connected", "connected", None]
    assert set(ran.json[3:]) <= REFUSED


async def test_names_of_the_configuration_are_looked_up_for_commands() -> None:
    places = (HostPort("localhost", 443), HostPort("127.0.0.9", 80), HostPort("none.invalid", 81))
    network = await network_for(places)
    assert network.ports == (80, 81, 443)
    assert network.hosts is not None
    lines = network.hosts.splitlines()
    assert "127.0.0.1 localhost" in lines
    assert not any("invalid" in line or "127.0.0.9" in line for line in lines)


async def test_all_or_nothing_of_the_network_needs_no_look_up() -> None:
    assert await network_for(False) == Network()
    assert await network_for(True) == Network(open=True)


@contextmanager
def server() -> Iterator[int]:
    """Take connections on a port of this machine, and say nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept_all, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept_all(listener: socket.socket) -> None:
    while True:
        try:
            listener.accept()[0].close()
        except OSError:
            return
