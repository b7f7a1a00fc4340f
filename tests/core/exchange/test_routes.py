"""Exchanges while routes come and go, and while there is no space on them."""

from __future__ import annotations

import pytest

from clawmatrix_core.base.errors import (
    ExchangeError,
    PeerLost,
    Undeliverable,
)
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.wire.codec import CHUNK
from tests.core.exchange.exchange_pair import OFFICE, Gate, Pair, leave, of_type, serve_one

pytestmark = pytest.mark.anyio

# --- routes


async def test_no_route_within_grace_ends_it_and_nothing_has_begun() -> None:
    async with Pair() as pair:
        pair.home.routed = False
        ex = await serve_one(pair, Gate().wait)
        await pair.pass_time(15)
        assert pair.home.table.live
        await pair.pass_time(0.5)
        with pytest.raises(Undeliverable, match="no route to office") as caught:
            await ex.receive()
        assert not caught.value.may_have_begun
        await leave(pair, ex)


async def test_the_end_that_dials_the_lost_link_gives_up_sooner() -> None:
    async with Pair() as pair:
        ex = await serve_one(pair, Gate().wait)
        pair.home.routed = False
        for one in pair.home.table.live:
            one.note_unroutable(redialling=True)
        await pair.pass_time(4.75)
        assert pair.home.table.live
        await pair.pass_time(0.75)
        with pytest.raises(Undeliverable):
            await ex.receive()
        await leave(pair, ex)


async def test_where_another_node_can_be_asked_the_time_without_a_route_is_shorter() -> None:
    async with Pair() as pair:
        pair.home.routed = False
        ex = await serve_one(pair, Gate().wait)
        ex.outlast(5.0)
        await pair.pass_time(4.75)
        ex.outlast(None)
        await pair.pass_time(2)
        assert pair.home.table.live
        ex.outlast(5.0)
        await pair.pass_time(0.5)
        with pytest.raises(Undeliverable):
            await ex.receive()
        await leave(pair, ex)


async def test_no_route_for_too_long_ends_both_ends_and_it_may_have_begun() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait)
        for side in (pair.home, pair.office):
            side.routed = False
            for one in side.table.live:
                one.note_unroutable()
        await pair.pass_time(15.5)
        assert gate.cancelled()
        with pytest.raises(Undeliverable) as caught:
            await ex.receive()
        assert caught.value.may_have_begun
        await leave(pair, ex)


async def test_a_route_that_comes_back_in_time_is_enough() -> None:
    """Even though neither end has anything to say."""
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, complete=True)
        pair.home.end_of(ex).note_unroutable()
        await pair.pass_time(0.5)
        pair.home.end_of(ex).resume(again=True)
        await pair.pass_time(20)
        assert not gate.cancelled()
        gate.leave.set()
        await pair.settle()
        assert [payload async for payload in ex] == []
        await leave(pair, ex)


async def test_a_route_that_comes_back_unnoticed_is_found_by_asking() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, complete=True)
        pair.home.routed = False
        pair.home.end_of(ex).note_unroutable()
        await pair.pass_time(2)
        pair.home.routed = True
        await pair.pass_time(20)
        assert not gate.cancelled()
        await leave(pair, ex)


async def test_what_was_on_its_way_is_sent_again_over_the_new_route() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.listen)
        pair.drop = lambda _: True
        for number in range(3):
            await ex.send(number)
        pair.drop = lambda _: False
        pair.home.table.flush(OFFICE)
        await pair.settle()
        assert gate.read == []
        pair.home.table.flush(OFFICE, again=True)
        await pair.settle()
        assert gate.read == [0, 1, 2]
        await leave(pair, ex)


async def test_flushing_for_one_peer_leaves_the_others_alone() -> None:
    async with Pair() as pair:
        pair.drop = lambda _: True
        ex = await serve_one(pair, Gate().wait)
        before = len(pair.log)
        pair.home.table.flush(NodeId("lab"), again=True)
        pair.home.table.lose(NodeId("lab"), "lab2", None, "restarted")
        assert len(pair.log) == before
        assert pair.home.table.live
        pair.drop = lambda _: False
        await leave(pair, ex)


async def test_a_relays_report_makes_the_frame_due_again() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.listen)
        pair.drop = lambda sent: sent.name == "home data 1"
        for number in range(3):
            await ex.send(number)
        await pair.settle()
        pair.drop = lambda _: False
        pair.report(pair.frames("data")[0])
        assert len(pair.log) == 4
        await pair.pass_time(0.25)
        assert gate.read == [0, 1, 2]
        await leave(pair, ex)


async def test_a_report_of_what_has_arrived_after_all_changes_nothing() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.listen)
        await ex.send(b"x" * CHUNK)
        await pair.settle()
        outbox = pair.home.end_of(ex).sending.outbox
        assert outbox.acked == 2
        pair.report(pair.log[0])
        pair.report(pair.frames("data")[0])
        assert ex.may_have_begun
        assert outbox.due() is None
        known, unknown = pair.log[0].header.id, "no such id"
        for id_, seq in ((known, 0), (known, 99), (unknown, 0)):
            assert not pair.home.table.undeliverable(OFFICE, id_, re=False, seq=seq, reason="ttl")
        await leave(pair, ex)


async def test_reports_for_longer_than_grace_end_it_and_are_no_proof() -> None:
    """A relay may lie: it can have passed on what it says it did not."""
    async with Pair() as pair:
        pair.drop = lambda _: True
        ex = await serve_one(pair, Gate().wait)
        reported = 0
        for _ in range(70):
            await pair.pass_time(0.25)
            while reported < len(pair.log):
                pair.report(pair.log[reported])
                reported += 1
        with pytest.raises(Undeliverable) as caught:
            await ex.receive()
        assert caught.value.may_have_begun
        await leave(pair, ex)


async def test_a_report_of_a_probe_says_nothing_of_the_opening_frame() -> None:
    async with Pair() as pair:
        pair.drop = lambda sent: sent.header.source == OFFICE
        ex = await serve_one(pair, Gate().wait)
        pair.drop = lambda _: True
        await pair.pass_time(1.25)
        probes = pair.frames("probe")
        assert probes
        for probe in probes:
            pair.report(probe)
        assert ex.may_have_begun
        await pair.pass_time(30)
        with pytest.raises(ExchangeError) as caught:
            await ex.receive()
        assert caught.value.may_have_begun
        await leave(pair, ex)


async def test_a_report_while_all_is_quiet_is_looked_into() -> None:
    """The route is back, but neither end has a frame that would show it."""
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, complete=True)
        await pair.pass_time(11)
        pair.report(pair.frames("probe")[-1])
        await pair.pass_time(20)
        assert not gate.cancelled()
        await leave(pair, ex)


async def test_congestion_is_waited_for_and_is_no_loss_of_route() -> None:
    async with Pair() as pair:
        gate = Gate()
        pair.home.congested = True
        ex = await serve_one(pair, gate.listen)
        await ex.finish(b"x")
        await pair.pass_time(10)
        assert pair.log == []
        assert set(pair.home.waiters) == {pair.home.end_of(ex).flush}
        pair.home.space()
        await pair.settle()
        assert gate.read == [b"x"]
        await leave(pair, ex)


async def test_congestion_whose_end_nobody_tells_is_noticed() -> None:
    async with Pair() as pair:
        gate = Gate()
        pair.home.congested = True
        ex = await serve_one(pair, gate.listen, complete=True)
        pair.home.waiters.clear()  # the link is gone, and another one has space
        pair.home.congested = False
        await pair.pass_time(0.25)
        assert len(pair.office.started) == 1
        await leave(pair, ex)


async def test_congestion_at_a_relay_is_no_loss_of_route() -> None:
    async with Pair() as pair:
        pair.drop = of_type("it")
        ex = await serve_one(pair, Gate().listen, complete=True)
        for _ in range(40):
            pair.report(pair.log[-1], "congested")
            await pair.pass_time(0.25)
        pair.drop = lambda _: False
        await pair.pass_time(0.25)
        assert [payload async for payload in ex] == []
        await leave(pair, ex)


async def test_congestion_for_too_long_is_the_end() -> None:
    async with Pair() as pair:
        pair.home.congested = True
        ex = await serve_one(pair, Gate().wait)
        await pair.pass_time(26)
        with pytest.raises(PeerLost) as caught:
            await ex.receive()
        assert not caught.value.may_have_begun
        await leave(pair, ex)
