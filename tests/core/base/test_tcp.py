"""Connecting to a name: whichever of its addresses accepts first."""

from __future__ import annotations

import errno
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.abc import SocketAttribute

from clawmatrix_core.base.lookups import TcpAddress
from clawmatrix_core.base.tcp import TcpDialler, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

SIX = [TcpAddress(socket.AF_INET6, (f"2001:db8::{n}", 80, 0, 0)) for n in (1, 2, 3)]
FOUR = [TcpAddress(socket.AF_INET, (f"192.0.2.{n}", 80)) for n in (1, 2)]


class Net:
    """What connecting to each address leads to: a socket, an error, or nothing for ever."""

    def __init__(
        self, found: list[TcpAddress], fates: dict[str, OSError | int] | None = None
    ) -> None:
        self.found = found
        self.fates = fates or {}
        self.tried: list[str] = []
        self.given_up: list[str] = []
        self.made: list[socket.socket] = []

    async def resolve(self, host: str, port: int) -> list[TcpAddress]:
        return self.found

    async def connect(self, address: TcpAddress) -> socket.socket:
        number = str(address.name[0])
        self.tried.append(number)
        fate = self.fates.get(number)
        if isinstance(fate, OSError):
            raise fate
        if fate is None:
            try:
                await anyio.sleep_forever()
            finally:
                self.given_up.append(number)
        ours, theirs = socket.socketpair()
        theirs.close()
        self.made.append(ours)
        return ours

    def dialler(self, stagger: float = 60.0) -> TcpDialler:
        return TcpDialler(self.resolve, self.connect, stagger=stagger)


def refused() -> OSError:
    return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


async def test_dead_first_address_costs_a_moment_only() -> None:
    net = Net([SIX[0], FOUR[0]], {"192.0.2.1": 1})
    with anyio.fail_after(10):
        sock = await net.dialler(stagger=0.01).open("two.example", 80, limit=60.0)
    sock.close()
    assert net.tried == ["2001:db8::1", "192.0.2.1"]
    assert net.given_up == ["2001:db8::1"]


async def test_an_address_that_refuses_is_followed_by_the_next_at_once() -> None:
    net = Net([SIX[0], FOUR[0]], {"2001:db8::1": refused(), "192.0.2.1": 1})
    with anyio.fail_after(10):
        (await net.dialler().open("two.example", 80, limit=60.0)).close()


async def test_the_families_take_turns_beginning_with_the_preferred_one() -> None:
    net = Net([*SIX, *FOUR, SIX[0]])
    found = await net.dialler().look_up("many.example", 80, limit=1.0)
    assert found == [SIX[0], FOUR[0], SIX[1], FOUR[1], SIX[2]]


async def test_of_several_errors_the_most_telling_is_raised() -> None:
    no_way = OSError(errno.ENETUNREACH, "Network is unreachable")
    fates: dict[str, OSError | int] = {"2001:db8::1": no_way, "192.0.2.1": refused()}
    net = Net([SIX[0], FOUR[0]], fates)
    with pytest.raises(ConnectionRefusedError):
        await net.dialler().open("two.example", 80, limit=60.0)
    net = Net([SIX[0]], {"2001:db8::1": no_way})
    with pytest.raises(OSError, match="unreachable"):
        await net.dialler().open("two.example", 80, limit=60.0)


async def test_addresses_that_do_not_answer_are_given_up_in_time() -> None:
    net = Net([SIX[0], FOUR[0]])
    with pytest.raises(TimeoutError):
        await net.dialler(stagger=0.0).open("two.example", 80, limit=0.05)
    assert sorted(net.given_up) == ["192.0.2.1", "2001:db8::1"]


async def test_dns_outage_is_told_by_name() -> None:
    async def silent(host: str, port: int) -> list[TcpAddress]:
        await anyio.sleep_forever()
        return []

    with pytest.raises(
        TcpDialler.NameServerSilent, match=r"no name server answered .* gone\.example"
    ):
        await TcpDialler(silent).open("gone.example", 80, limit=0.05)


async def test_a_name_without_addresses_is_an_error() -> None:
    with pytest.raises(socket.gaierror):
        await Net([]).dialler().open("none.example", 80, limit=1.0)


async def test_sockets_that_nobody_takes_are_closed() -> None:
    net = Net([SIX[0], FOUR[0]], {"2001:db8::1": 1, "192.0.2.1": 1})
    both = anyio.Event()

    async def connect(address: TcpAddress) -> socket.socket:
        sock = await net.connect(address)
        if len(net.made) == 2:
            both.set()
        with anyio.CancelScope(shield=True):
            await both.wait()  # both are there in the same moment
        return sock

    dialler = TcpDialler(net.resolve, connect, stagger=0.0)
    with anyio.fail_after(10):
        won = await dialler.open("two.example", 80, limit=60.0)
    assert [sock.fileno() == -1 for sock in net.made if sock is not won] == [True]
    won.close()


@asynccontextmanager
async def port() -> AsyncIterator[int]:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        yield listener.extra(SocketAttribute.local_port)


async def test_a_real_socket_is_connected_and_does_not_block() -> None:
    async with port() as number:
        sock = await connect(TcpAddress(socket.AF_INET, ("127.0.0.1", number)))
        with sock:
            assert sock.getpeername() == ("127.0.0.1", number)
            assert sock.gettimeout() == 0.0


async def test_a_closed_port_refuses() -> None:
    async with port() as number:
        pass
    with pytest.raises(ConnectionRefusedError):
        await connect(TcpAddress(socket.AF_INET, ("127.0.0.1", number)))
