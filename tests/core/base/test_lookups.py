"""Names are looked up in threads of their own: a silent name server takes nothing along."""

from __future__ import annotations

import ipaddress
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from clawmatrix_core.base.lookups import Lookups, TcpAddress
from clawmatrix_core.testing.fixtures import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

HERE = TcpAddress(socket.AF_INET, ("127.0.0.1", 0))


class NameServer:
    """The system's lookup, as tests play it: names that begin with ``gone`` get no answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.threads: set[int] = set()
        self.recovers = threading.Event()

    def look(self, host: str) -> list[TcpAddress]:
        self.asked.append(host)
        self.threads.add(threading.get_ident())
        if host.startswith("gone"):
            self.recovers.wait()
        if host.startswith("nobody"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [HERE]


@pytest.fixture
def server() -> Iterator[NameServer]:
    server = NameServer()
    yield server
    server.recovers.set()


async def give_up(lookups: Lookups, host: str) -> None:
    """Ask for a name, and leave it when its lookup has begun."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lookups.resolve, host, 80)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


async def test_a_number_needs_no_lookup(server: NameServer) -> None:
    lookups = Lookups(look=server.look)
    [four] = await lookups.resolve("192.0.2.7", 80)
    [six] = await lookups.resolve("2001:db8::7", 80)
    assert (four.family, four.name) == (socket.AF_INET, ("192.0.2.7", 80))
    assert (six.family, six.name) == (socket.AF_INET6, ("2001:db8::7", 80, 0, 0))
    assert (six.ip, six.port) == (ipaddress.ip_address("2001:db8::7"), 80)
    assert server.asked == []


async def test_the_system_is_asked() -> None:
    found = await Lookups().resolve("localhost", 81)
    assert all(one.ip.is_loopback and one.port == 81 for one in found)
    with pytest.raises(socket.gaierror):
        await Lookups().resolve("x" * 64, 80)  # a label has 63 characters at most


async def test_the_scope_of_a_number_is_looked_up_and_left_out_of_it() -> None:
    try:
        scope = socket.if_indextoname(1)
    except OSError:
        pytest.skip("this machine has no interfaces")
    [found] = await Lookups().resolve(f"fe80::1%{scope}", 80)
    assert (found.ip, found.name[3]) == (ipaddress.ip_address("fe80::1"), 1)


async def test_an_error_is_each_callers_own(server: NameServer) -> None:
    lookups = Lookups(look=server.look)
    errors: list[OSError] = []

    async def ask() -> None:
        with pytest.raises(socket.gaierror, match="not known") as error:
            await lookups.resolve("nobody.example", 80)
        errors.append(error.value)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        tasks.start_soon(ask)
    assert errors[0] is not errors[1]


async def test_dns_outage_holds_up_no_name_that_needs_no_name_server(server: NameServer) -> None:
    lookups = Lookups(look=server.look)
    for number in range(100):
        await give_up(lookups, f"gone{number}.example")
    with anyio.fail_after(10):
        assert [one.port for one in await lookups.resolve("localhost", 8080)] == [8080]
    assert repr(lookups) == "<Lookups 100 running, 156 free>"


async def test_dns_outage_takes_no_thread_that_others_use(server: NameServer) -> None:
    lookups = Lookups(look=server.look)
    for number in range(50):  # more than the shared pools of event loops have
        await give_up(lookups, f"gone{number}.example")
    with anyio.fail_after(10):
        assert await anyio.to_thread.run_sync(lambda: 7) == 7
        ident = await anyio.to_thread.run_sync(threading.get_ident)
    assert ident not in server.threads


async def test_a_name_has_one_thread_however_often_it_is_asked_for(server: NameServer) -> None:
    lookups = Lookups(look=server.look)
    for _ in range(3):
        await give_up(lookups, "gone.example")
    server.recovers.set()
    with anyio.fail_after(10):
        assert [one.port for one in await lookups.resolve("gone.example", 443)] == [443]
    assert server.asked == ["gone.example"]


async def test_without_a_free_thread_a_lookup_waits_and_one_given_up_is_forgotten(
    server: NameServer,
) -> None:
    lookups = Lookups(2, look=server.look)
    for number in range(4):
        await give_up(lookups, f"gone{number}.example")
    assert repr(lookups) == "<Lookups 2 running, 0 free>"
    found: list[TcpAddress] = []

    async def ask() -> None:
        found.extend(await lookups.resolve("one.example", 80))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            assert found == []
            server.recovers.set()
    assert [one.port for one in found] == [80]
    assert server.asked == ["gone0.example", "gone1.example", "one.example"]


PROGRAM = """
import sys, threading, anyio
from clawmatrix_core.base.lookups import Lookups

async def main():
    lookups = Lookups(look=lambda host: threading.Event().wait())
    with anyio.move_on_after(0):
        await lookups.resolve("gone.example", 80)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lookups.resolve, "gone.example", 80)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    print("stopped", threading.active_count())

anyio.run(main, backend=sys.argv[1])
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_dns_outage_delays_no_stop(backend: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, backend],
        capture_output=True,
        timeout=30,
        text=True,
        check=True,
    )
    assert (ended.stdout, ended.stderr) == ("stopped 2\n", "")


async def test_a_lookup_that_ends_after_its_event_loop_harms_nothing(server: NameServer) -> None:
    lookups = Lookups(look=server.look)

    def elsewhere() -> None:
        anyio.run(give_up, lookups, "gone.example")

    await anyio.to_thread.run_sync(elsewhere)
    [thread] = [one for one in threading.enumerate() if one.name == "lookup"]
    server.recovers.set()
    thread.join(10)
    assert not thread.is_alive()


class Again:
    """The second question, of which tests say what it finds."""

    def __init__(self, found: list[TcpAddress] | OSError) -> None:
        self.asked: list[str] = []
        self._found = found

    def look(self, host: str) -> list[TcpAddress]:
        self.asked.append(host)
        if isinstance(self._found, OSError):
            raise self._found
        return self._found


async def test_the_ipv4_addresses_of_a_name_that_takes_long_are_asked_for_alone(
    server: NameServer,
) -> None:
    again = Again([HERE])
    lookups = Lookups(look=server.look, look_again=again.look, late=0.01)
    with anyio.fail_after(5):
        assert await lookups.resolve("gone.example", 80)
        assert await lookups.resolve("gone.example", 81)
        assert await lookups.resolve("near.example", 80)
    assert server.asked == ["gone.example", "near.example"]
    assert again.asked == ["gone.example"]


@pytest.mark.parametrize("found", [[], socket.gaierror(socket.EAI_NONAME, "not known")])
async def test_whether_a_name_has_no_address_is_for_the_first_question_to_say(
    server: NameServer, found: list[TcpAddress] | OSError
) -> None:
    again = Again(found)
    lookups = Lookups(look=server.look, look_again=again.look, late=0.01)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lookups.resolve, "gone.example", 80)
            await wait_until(lambda: again.asked)
            server.recovers.set()
    assert again.asked == ["gone.example"]
