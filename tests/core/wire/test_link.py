"""Links over the memory transport: carrying, closing, stalling, and space on the lanes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from clawmatrix_core.base.errors import ConnectionLost, RemoteProtocolError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.sessions.session import Session
from clawmatrix_core.testing.memory import MemoryHub, MemoryTransport
from clawmatrix_core.wire.close_codes import CloseCode
from clawmatrix_core.wire.codec import Lane
from clawmatrix_core.wire.lanes import LANE_BYTES
from clawmatrix_core.wire.link import DRAIN_LIMIT, Link
from tests.core.wire.connections import Flood, OneWay, Slow, Willing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clawmatrix_core.wire.transport import Connection

pytestmark = pytest.mark.anyio

OFFICE = NodeId("office")
LARGE = bytes(64 * 1024)
BUFFERED = 64
"""Messages that a memory connection holds before it takes no more."""


class Clock:
    """A clock that goes when told."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def make_link(connection: Connection, *, now: Callable[[], float] | None = None) -> Link:
    """Return a link to office over a connection."""
    session = Session(b"12345678", OFFICE, bytes(32), bytes(32), "run1", 0.0)
    return Link(
        connection,
        peer=OFFICE,
        session=session,
        dialled=True,
        instance="run1",
        now=now or Clock(),
    )


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Connection, Connection]]:
    """Give both ends of a connection."""
    transport = MemoryTransport(MemoryHub())
    async with transport.listen("memory://office") as listener:
        ours = await transport.dial("memory://office")
        yield ours, await listener.accept()


@asynccontextmanager
async def running(link: Link, deliver: Callable[[Link, bytes], None]) -> AsyncIterator[list[str]]:
    """Run a link meanwhile; the list has the reason once it has ended."""
    ended: list[str] = []

    async def run() -> None:
        ended.append(await link.run(deliver))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            yield ended
            link.close("the test is over")


def nowhere(link: Link, message: bytes) -> None:
    """Drop what comes in."""


async def turns(count: int = 50) -> None:
    """Let the other tasks run."""
    for _ in range(count):
        await checkpoint()


@pytest.mark.both_loops
async def test_messages_are_carried_both_ways() -> None:
    async with connected() as (ours, theirs):
        clock = Clock()
        link = make_link(ours, now=clock)
        got: list[bytes] = []
        async with running(link, lambda _, message: got.append(message)):
            for number in range(3):
                assert link.enqueue(b"%d" % number, Lane.INTERACTIVE)
            assert [await theirs.receive() for _ in range(3)] == [b"0", b"1", b"2"]
            clock.time = 105.0
            await theirs.send(b"back")
            await link.heard()
            await turns()
        assert got == [b"back"]
        assert (link.frames_in, link.bytes_in, link.frames_out, link.bytes_out) == (1, 4, 3, 3)
        assert (link.opened, link.last_received) == (100.0, 105.0)


async def test_control_overtakes_what_waits() -> None:
    async with connected() as (ours, theirs):
        link = make_link(ours)
        link.enqueue(b"bulk", Lane.BULK)
        link.enqueue(b"interactive", Lane.INTERACTIVE)
        link.enqueue(b"control", Lane.CONTROL)
        assert link.waiting == 3
        assert repr(link) == "<Link to office open <LaneQueue control=1, interactive=1, bulk=1>>"
        async with running(link, nowhere):
            got = [await theirs.receive() for _ in range(3)]
            await link.drained()
            assert link.waiting == 0
        assert got == [b"control", b"interactive", b"bulk"]


async def test_a_full_lane_drops_and_says_so() -> None:
    async with connected() as (ours, _):
        link = make_link(ours)
        offered = 0
        while link.enqueue(LARGE, Lane.BULK):
            offered += 1
        assert offered == LANE_BYTES[Lane.BULK] // (len(LARGE) + 64)
        assert link.enqueue(LARGE, Lane.INTERACTIVE)


async def test_who_waits_for_space_is_told_once() -> None:
    async with connected() as (ours, theirs):
        link = make_link(ours)
        while link.enqueue(LARGE, Lane.INTERACTIVE):
            pass
        told: list[str] = []
        waiting: list[int] = []

        def tell() -> None:
            told.append("interactive")
            waiting.append(link.waiting)

        link.when_space(Lane.INTERACTIVE, tell)
        link.when_space(Lane.INTERACTIVE, tell)
        link.when_space(Lane.BULK, lambda: told.append("bulk"))
        async with running(link, nowhere):
            assert told == []
            while len(told) < 2:
                await theirs.receive()
            assert told == ["bulk", "interactive"]
            assert waiting == [LANE_BYTES[Lane.INTERACTIVE] // 2 // (len(LARGE) + 64)]
            while link.waiting:
                await theirs.receive()
        assert told == ["bulk", "interactive"]


async def test_who_is_told_of_space_may_wait_again() -> None:
    async with connected() as (ours, theirs):
        link = make_link(ours)
        sent = 0

        def fill() -> None:
            nonlocal sent
            while sent < 100:
                if not link.enqueue(LARGE, Lane.INTERACTIVE):
                    link.when_space(Lane.INTERACTIVE, fill)
                    return
                sent += 1

        async with running(link, nowhere):
            fill()
            for _ in range(100):
                assert await theirs.receive() == LARGE
        assert sent == 100


async def test_a_closed_link_takes_nothing_and_tells_nobody() -> None:
    async with connected() as (ours, theirs):
        link = make_link(ours)
        told: list[bool] = []
        link.when_space(Lane.BULK, lambda: told.append(True))
        link.enqueue(LARGE, Lane.BULK)
        link.close("enough", CloseCode.DEAD)
        link.close("never mind", CloseCode.TWIN)
        link.when_space(Lane.BULK, lambda: told.append(True))
        assert not link.enqueue(b"", Lane.CONTROL)
        assert await link.run(nowhere) == "enough"
        with pytest.raises(ConnectionLost, match="enough") as caught:
            await theirs.receive()
        assert caught.value.code == CloseCode.DEAD
        assert told == []
        assert link.lost_code is None
        await link.heard()
        await link.drained()
        assert "to office enough" in repr(link)


async def test_closing_ends_a_running_link_with_its_reason_and_code() -> None:
    async with connected() as (ours, theirs):
        link = make_link(ours)
        async with running(link, nowhere) as ended:
            await turns()
            link.close("a twin", CloseCode.TWIN)
        assert ended == ["a twin"]
        with pytest.raises(ConnectionLost) as caught:
            await theirs.receive()
        assert caught.value.code == CloseCode.TWIN
        assert link.end_code == CloseCode.TWIN


async def test_closing_wakes_those_who_wait_for_a_sign_of_life() -> None:
    async with connected() as (ours, _):
        link = make_link(ours)
        woken: list[str] = []

        async def wait_heard() -> None:
            await link.heard()
            woken.append("heard")

        async def wait_drained() -> None:
            await link.drained()
            woken.append("drained")

        link.enqueue(b"", Lane.BULK)
        async with anyio.create_task_group() as tasks:
            for wait in (wait_heard, wait_heard, wait_drained, wait_drained):
                tasks.start_soon(wait)
            await turns()
            assert woken == []
            link.close("enough")
        assert sorted(woken) == ["drained", "drained", "heard", "heard"]


async def test_the_other_end_closing_ends_the_link() -> None:
    async with connected() as (ours, theirs):
        link = make_link(ours)
        async with running(link, nowhere) as ended:
            await theirs.close(CloseCode.DUPLICATE, "another")
            while not ended:
                await checkpoint()
        assert "another" in ended[0]
        assert link.lost_code == link.end_code == CloseCode.DUPLICATE


async def test_a_message_that_cannot_be_sent_ends_the_link() -> None:
    async with connected() as (ours, theirs):
        link = make_link(ours)
        async with running(link, nowhere) as ended:
            await theirs.close(CloseCode.NORMAL)
            link.enqueue(b"late", Lane.CONTROL)
            while not ended:
                await checkpoint()
        assert link.lost_code == CloseCode.NORMAL


async def test_a_connection_that_only_fails_to_send_is_lost_too() -> None:
    link = make_link(OneWay())
    async with running(link, nowhere) as ended:
        link.enqueue(b"x", Lane.CONTROL)
        while not ended:
            await checkpoint()
    assert ended == ["broken pipe"]


async def test_a_breach_of_the_protocol_costs_the_link() -> None:
    def refuse(link: Link, message: bytes) -> None:
        raise RemoteProtocolError("no header", reason="bad_header")

    async with connected() as (ours, theirs):
        link = make_link(ours)
        async with running(link, refuse) as ended:
            await theirs.send(b"rubbish")
            while not ended:
                await checkpoint()
        assert ended == ["no header"]
        assert link.refused == 1
        with pytest.raises(ConnectionLost) as caught:
            await theirs.receive()
        assert caught.value.code == CloseCode.PROTOCOL


@pytest.mark.both_loops
async def test_a_cancelled_link_closes_its_connection() -> None:
    async with connected() as (ours, theirs):
        link = make_link(ours)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link.run, nowhere)
            await turns()
            tasks.cancel_scope.cancel()
        assert link.closing == "the node stopped"
        with pytest.raises(ConnectionLost, match="the node stopped"):
            await theirs.receive()


async def test_a_link_that_takes_nothing_says_for_how_long() -> None:
    async with connected() as (ours, theirs):
        clock = Clock()
        link = make_link(ours, now=clock)
        assert link.stalled_for() == 0.0
        for _ in range(BUFFERED + 5):
            link.enqueue(b"x", Lane.INTERACTIVE)
        async with running(link, nowhere):
            await turns(300)
            assert link.frames_out == BUFFERED
            assert link.waiting == 5
            clock.time += DRAIN_LIMIT + 1
            assert link.stalled_for() == DRAIN_LIMIT + 1
            assert link.stalled_for() > link.drain_limit
            for _ in range(BUFFERED + 5):
                await theirs.receive()
            await link.drained()
            assert link.stalled_for() == 0.0


async def test_a_stalled_link_can_be_closed() -> None:
    async with connected() as (ours, _):
        link = make_link(ours)
        for _ in range(BUFFERED + 5):
            link.enqueue(b"x", Lane.INTERACTIVE)
        async with running(link, nowhere) as ended:
            await turns(300)
            link.close("the other end takes nothing", CloseCode.DEAD)
        assert ended == ["the other end takes nothing"]


async def test_a_flood_leaves_turns_to_other_tasks() -> None:
    """Even where the connection never makes its reader wait."""
    link = make_link(Flood(320))
    seen: list[int] = []
    async with running(link, nowhere) as ended:
        while not ended:
            await checkpoint()
            seen.append(link.frames_in)
    assert ended == ["dried up"]
    assert len(set(seen)) > 5


async def test_what_the_connection_takes_at_once_does_not_wait_for_a_task() -> None:
    connection = Willing(1)
    link = make_link(connection)
    async with running(link, nowhere):
        await turns()
        assert link.enqueue(b"at once", Lane.BULK)
        assert (link.waiting, link.frames_out) == (0, 1)
        assert link.enqueue(b"waits", Lane.BULK)
        connection.room = 1
        assert link.enqueue(b"is not to overtake", Lane.CONTROL)
        assert link.waiting == 2
        assert connection.at_once == [b"at once"]


@pytest.mark.both_loops
async def test_an_idle_link_wakes_for_a_message() -> None:
    async with connected() as (ours, theirs):
        link = make_link(ours)
        async with running(link, nowhere):
            await turns()
            for _ in range(2):
                assert link.enqueue(b"x", Lane.BULK)
            assert await theirs.receive() == b"x"


async def test_a_link_is_over_before_its_connection_has_closed() -> None:
    connection, over = Slow(), anyio.Event()
    link = make_link(connection)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(link.run, nowhere, over.set)
        with anyio.fail_after(5):
            await over.wait()
        assert link.closing == "dried up"
        connection.let.set()
