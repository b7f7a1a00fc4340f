"""What exchanges hold unread and unacknowledged is bounded for each peer and in all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.exchange.shares import UNACKED, UNREAD, Share, Shares
from clawmatrix_core.exchange.windows import FRAME_COST, KEPT, Outbox
from clawmatrix_core.wire.codec import CHUNK, Header
from tests.core.exchange.exchange_pair import HOME, OFFICE, Pair

if TYPE_CHECKING:
    from clawmatrix_core.exchange.exchange import Exchange

pytestmark = pytest.mark.anyio


def from_home(type_: str, **fields: Any) -> Header:
    """Return the header of a frame that home might send."""
    return Header(type_, "home-x", HOME, OFFICE, 0, "sealed", **fields)


def fill(share: Share) -> int:
    """Hold as much as there is room for; return how many bytes that is."""
    while share.admits(CHUNK):
        share.add(CHUNK)
    return share.held


@pytest.mark.bound("clawmatrix_core.exchange.shares.UNREAD")
@pytest.mark.bound("clawmatrix_core.exchange.shares.UNACKED")
@pytest.mark.parametrize("most", [UNREAD, UNACKED])
def test_one_peer_has_half_and_whoever_comes_later_half_of_the_rest(most: int) -> None:
    shares = Shares(int(most))
    one, two = shares.of(HOME), shares.of(OFFICE)
    assert fill(one) == most // 2
    assert fill(two) == most // 4
    crowd = [shares.of(NodeId(f"node{number}")) for number in range(100)]
    for share in crowd:
        fill(share)
    assert shares.held <= most
    assert shares.of(NodeId("late")).admits(0)


def test_a_share_is_free_again_when_its_bytes_are_gone() -> None:
    shares = Shares(8 * CHUNK)
    one = shares.of(HOME)
    assert shares.of(HOME) is one
    assert fill(one) == 4 * CHUNK
    one.add(-4 * CHUNK)
    assert fill(one) == 4 * CHUNK


@pytest.mark.bound("clawmatrix_core.exchange.windows.KEPT")
def test_a_receiver_that_gives_any_limit_has_a_sender_keep_so_much() -> None:
    outbox = Outbox()
    outbox.credit(0, 2**50)
    while outbox.takes(CHUNK):
        outbox.push("data", b"b", bytes(CHUNK))
    assert KEPT - 2 * CHUNK < outbox.used <= KEPT
    outbox.credit(1, 2**50)
    assert outbox.takes(CHUNK)


async def read_late(exchange: Exchange, begin: anyio.Event, got: list[bytes]) -> None:
    """Read nothing before it is time to."""
    await begin.wait()
    got += [piece async for piece in exchange]


async def test_streams_that_nobody_reads_wait_and_are_whole_in_the_end() -> None:
    opened, begin, got = anyio.Event(), anyio.Event(), list[bytes]()

    async def serve(exchange: Exchange) -> None:
        await read_late(exchange, begin, got)
        await exchange.finish(len(got))

    async def ask() -> int:
        async with pair.home.table.open(OFFICE, "it") as exchange:
            await opened.wait()
            for _ in range(6):
                await exchange.send(bytes(CHUNK // 2))
            await exchange.finish(b"")
            return int(await exchange.receive())

    async with Pair(unread=6 * CHUNK) as pair:
        pair.office.handlers["it"] = serve
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(ask)
            await pair.settle()
            opened.set()
            await pair.pass_time(5)
            held = pair.office.table.unread
            assert 2 * CHUNK < held <= 3 * CHUNK + 16 * FRAME_COST
            assert held == sum(
                cost for end in pair.office.table.live for _, cost in end.receiving.ready
            )
            begin.set()
            await pair.pass_time(40)
        assert sum(map(len, got)) == 4 * 6 * CHUNK // 2
        assert pair.office.table.unread == pair.home.table.unread == 0
        await pair.wind_down()


async def test_where_too_much_is_unread_a_new_exchange_is_busy() -> None:
    begin = anyio.Event()

    async def hold(exchange: Exchange) -> None:
        await begin.wait()

    async with Pair(unread=2 * CHUNK) as pair:
        pair.office.handlers["it"] = hold
        async with pair.home.table.open(OFFICE, "it", data=bytes(CHUNK - 100)):
            await pair.settle()
            async with pair.home.table.open(OFFICE, "it", data=bytes(1000)) as second:
                await pair.settle()
                with pytest.raises(ExchangeFailure, match="too much is unread") as caught:
                    await second.receive()
            assert caught.value.code == "busy"
            assert not caught.value.may_have_begun
            assert pair.office.counters["too_much_unread"] == 1
            begin.set()
            await pair.settle()
        assert pair.office.table.unread == 0
        await pair.wind_down()


async def test_an_exchange_that_ends_early_leaves_its_share() -> None:
    async with Pair() as pair:
        begin = anyio.Event()

        async def hold(exchange: Exchange) -> None:
            await begin.wait()

        pair.office.handlers["it"] = hold
        pair.office.deliver(from_home("it"), b"j", b"{}")
        for seq in (1, 2, 4):
            pair.office.deliver(from_home("data", seq=seq), b"b", bytes(1000))
        assert pair.office.table.unread == 3 * (1000 + FRAME_COST)
        pair.office.deliver(from_home("cancel", seq=5), b"j", b"")
        await pair.settle()
        assert pair.office.table.unread == 0
        await pair.pass_time(30)


async def test_what_nobody_acknowledges_makes_writers_wait_and_is_whole_in_the_end() -> None:
    async def serve(exchange: Exchange) -> None:
        assert sum([len(piece) async for piece in exchange]) == 3 * CHUNK
        await exchange.finish("whole")

    answers: list[object] = []

    async def ask() -> None:
        async with pair.home.table.open(OFFICE, "it") as exchange:
            await exchange.finish(bytes(3 * CHUNK))
            answers.append(await exchange.receive())

    async with Pair(unacked=4 * CHUNK) as pair:
        pair.office.handlers["it"] = serve
        lost = True
        pair.drop = lambda sent: lost and sent.header.source == OFFICE
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(ask)
            await pair.pass_time(3)
            # The second half of what is allowed is for others; each has one frame all the same.
            assert pair.home.table.unacked <= 2 * CHUNK + 8 * (CHUNK + FRAME_COST)
            lost = False
            await pair.pass_time(60)
        assert answers == ["whole"] * 8
        assert pair.home.table.unacked == 0
        await pair.wind_down()
