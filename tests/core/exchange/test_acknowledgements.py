"""Acknowledgements of last frames: with an answer, together, or alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import RemoteProtocolError
from clawmatrix_core.exchange.acknowledgements import CREDITS, read_credits
from clawmatrix_core.exchange.limits import ExchangeLimits
from clawmatrix_core.wire.codec import Header, Lane
from tests.core.exchange.exchange_pair import HOME, OFFICE, Gate, Pair, leave, of_type, serve_one

if TYPE_CHECKING:
    from clawmatrix_core.exchange.exchange import Exchange

pytestmark = pytest.mark.anyio


async def answer(ex: Exchange) -> None:
    await ex.finish([payload async for payload in ex])


async def ask(pair: Pair) -> Exchange:
    """Have an exchange opened and answered; return it, left."""
    ex = await serve_one(pair, answer, complete=True)
    assert await ex.receive() == []
    await ex.__aexit__(None, None, None)
    return ex


def types(pair: Pair) -> list[str]:
    return [f"{sent.header.source} {sent.header.type}" for sent in pair.log]


async def test_a_small_call_takes_three_frames() -> None:
    async with Pair() as pair:
        await ask(pair)
        await pair.settle()
        assert types(pair) == ["home it", "office data", "home credit"]
        assert pair.office.is_idle()
        assert pair.home.is_idle()


async def finished_at_once(pair: Pair, count: int, lane: Lane = Lane.INTERACTIVE) -> None:
    """Have calls answered, and their answers acknowledged, at the same time."""
    pair.office.handlers["it"] = answer
    opened = [
        await pair.home.table.open(OFFICE, "it", complete=True, lane=lane).__aenter__()
        for _ in range(count)
    ]
    ends = [pair.home.end_of(ex) for ex in opened]
    for ex, end in zip(opened, ends, strict=True):
        while not end.clean:
            await anyio.lowlevel.checkpoint()
            if pair.flying:
                pair.deliver_one()
        await ex.__aexit__(None, None, None)


async def test_acknowledgements_to_one_node_go_together() -> None:
    async with Pair() as pair:
        await finished_at_once(pair, 3)
        await pair.settle()
        [sent] = pair.frames(CREDITS)
        assert sent.header.id == ""
        assert sent.payload.startswith(b'[["home-0",false,1,')
        assert not pair.frames("credit")
        assert pair.office.is_idle()


async def test_each_lane_has_its_own() -> None:
    async with Pair() as pair:
        await finished_at_once(pair, 2)
        await finished_at_once(pair, 2, Lane.BULK)
        await pair.settle()
        assert [sent.header.lane for sent in pair.frames(CREDITS)] == [1, 2]
        assert pair.office.is_idle()


async def test_many_take_several_frames() -> None:
    async with Pair() as pair:
        await finished_at_once(pair, 300)
        await pair.settle()
        assert len(pair.frames(CREDITS)) == 2
        assert pair.office.is_idle()


async def test_what_is_lost_of_them_is_asked_for() -> None:
    async with Pair() as pair:
        await finished_at_once(pair, 3)
        pair.drop = of_type(CREDITS)
        await pair.settle()
        assert not pair.office.is_idle()
        pair.drop = lambda _: False
        await pair.wind_down()
        assert len(pair.frames("probe")) == 3


async def test_a_frame_of_the_exchange_acknowledges_too() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, complete=True)
        pair.log.clear()
        gate.leave.set()
        await pair.settle()
        assert types(pair)[0] == "office data"
        assert "office credit" not in types(pair)
        await leave(pair, ex)


def together(*credits: Any) -> tuple[Header, bytes, list[Any]]:
    return Header(CREDITS, "", HOME, OFFICE, 0, "sealed"), b"j", [*credits]


async def test_one_of_them_that_is_wrong_ends_its_exchange_only() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait)
        pair.office.deliver(
            Header(CREDITS, "", HOME, OFFICE, 0, "sealed"),
            b"j",
            b'[["none",false,0,0],["home-0",false,9,0],["home-0",true,9,0]]',
        )
        assert pair.office.counters["ack"] == 1
        await pair.settle()
        assert gate.cancelled()
        await leave(pair, ex)


@pytest.mark.parametrize(
    "payload",
    [None, {}, [1], [[]], [["id", False, 0]], [["id", 0, 0, 0]], [["id", True, -1, 0]],
     [["id", True, 0, 2**53]], [["id", True, 0, 0, 0]]],
)  # fmt: skip
def test_what_is_no_acknowledgement_is_refused(payload: Any) -> None:
    with pytest.raises(RemoteProtocolError, match="bad credits") as caught:
        read_credits(payload)
    assert caught.value.reason == "bad_credits"


async def test_they_are_sent_before_long() -> None:
    async with Pair(ack=0.001) as pair, anyio.create_task_group() as tasks:
        tasks.start_soon(pair.home.table.acknowledgements.run)
        await finished_at_once(pair, 2)
        with anyio.fail_after(5):
            while not pair.frames(CREDITS):  # noqa: ASYNC110 - no event tells of it
                await anyio.sleep(0.001)
        assert repr(pair.home.table.acknowledgements) == "<Acknowledgements 0 owed>"
        tasks.cancel_scope.cancel()
        await pair.wind_down()


def test_they_wait_for_less_than_anybody_asks_after() -> None:
    limits = ExchangeLimits()
    assert limits.ack < limits.probe_unacked / 10
