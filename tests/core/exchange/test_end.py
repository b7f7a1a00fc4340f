"""How an exchange ends before its time: cancelled, late, or with a peer that is gone."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from clawmatrix_core.base.errors import (
    DeadlineExceeded,
    ExchangeCancelled,
    ExchangeError,
    PeerLost,
)
from clawmatrix_core.wire.codec import Header
from tests.core.exchange.exchange_pair import (
    HOME,
    OFFICE,
    Gate,
    Pair,
    Sent,
    leave,
    of_type,
    serve_one,
)
from tests.core.exchange.exchange_scripts import HANDLERS, SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from clawmatrix_core.exchange.exchange import Exchange

pytestmark = pytest.mark.anyio

# --- cancelling


async def test_leaving_early_cancels_the_handler_at_once() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, complete=True)
        await ex.__aexit__(None, None, None)
        await pair.settle()
        assert gate.cancelled()
        assert pair.home.is_idle()
        assert pair.office.is_idle()
        with pytest.raises(ExchangeCancelled):
            await ex.receive()
        with pytest.raises(ExchangeCancelled):
            await gate.exchange.send(1)


async def test_a_handler_cancelled_before_its_turn_does_not_begin() -> None:
    async with Pair() as pair:
        pair.office.handlers["it"] = Gate().wait
        ex = await pair.home.table.open(OFFICE, "it").__aenter__()
        await ex.__aexit__(None, None, None)
        while pair.flying:
            pair.deliver_one()
        await pair.wind_down()
        assert pair.office.started == []


async def test_what_nobody_has_heard_of_needs_no_cancel() -> None:
    async with Pair() as pair:
        pair.home.routed = False
        ex = await pair.home.table.open(OFFICE, "it").__aenter__()
        await ex.__aexit__(None, None, None)
        assert pair.home.is_idle()
        pair.home.routed = True
        await pair.pass_time(2)
        assert pair.log == []


async def test_a_cancel_that_overtakes_the_opening_frame_wins() -> None:
    async with Pair() as pair:
        pair.office.handlers["it"] = Gate().wait
        ex = await pair.home.table.open(OFFICE, "it").__aenter__()
        await ex.__aexit__(None, None, None)
        opening, cancel = pair.flying
        pair.flying.clear()
        pair.arrive(cancel)
        pair.arrive(opening)
        await pair.wind_down()
        assert pair.office.started == []


@pytest.mark.parametrize("name", ["converse", "stream", "upload", "talk_past"])
async def test_either_side_may_leave_at_any_point(name: str) -> None:
    script = SCRIPTS[name][0]
    for side in ("home", "office"):
        point = 0
        while await _leave_after(script, HANDLERS, side, point):
            point += 1
        assert point > 5


async def _leave_after(
    script: Callable[[Pair], Awaitable[Any]],
    handlers: Mapping[str, Callable[[Exchange], Awaitable[None]]],
    side: str,
    point: int,
) -> bool:
    """Cancel one side when ``point`` frames have arrived; False where it was over by then."""
    async with Pair() as pair:
        pair.office.handlers = dict(handlers)
        ended: list[Any] = []

        async def run() -> None:
            try:
                ended.append(await script(pair))
            except ExchangeError as error:
                ended.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            for _ in range(point):
                await _until_one_flies(pair)
                if not pair.flying:
                    break
                pair.deliver_one()
            running = not ended
            if side == "home":
                tasks.cancel_scope.cancel()
            else:
                pair.office.scope.cancel()
                await pair.until(lambda: bool(ended))
        await pair.wind_down()
        assert len(pair.office.started) <= 1
        return running


async def _until_one_flies(pair: Pair) -> None:
    for _ in range(8):
        if pair.flying:
            return
        await anyio.lowlevel.checkpoint()


# --- deadlines


async def test_a_deadline_ends_both_ends() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, deadline=3)
        assert pair.log[0].header.deadline == 3000
        await pair.pass_time(2.75)
        assert not gate.cancelled()
        await pair.pass_time(0.5)
        assert gate.cancelled()
        with pytest.raises(DeadlineExceeded) as caught:
            await ex.receive()
        assert caught.value.may_have_begun
        await leave(pair, ex)


async def test_a_deadline_holds_although_the_other_end_is_out_of_reach() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, deadline=3)
        pair.drop = lambda _: True
        await pair.pass_time(3.5)
        assert gate.cancelled()
        with pytest.raises(DeadlineExceeded):
            await ex.receive()
        with pytest.raises(DeadlineExceeded):
            await gate.exchange.receive()
        await leave(pair, ex)


async def test_what_was_read_goes_with_an_exchange_that_fails() -> None:
    class Text(bytearray):
        """Large, and with weak references."""

    held: list[weakref.ref[Text]] = []

    async def gather(ex: Exchange) -> None:
        text = Text()
        held.append(weakref.ref(text))
        async for piece in ex:
            text += piece

    gc.disable()  # what is in a circle stays until a collection
    try:
        async with Pair() as pair:
            ex = await serve_one(pair, gather, deadline=3)
            await ex.send(b"x" * 1000)
            await pair.settle()
            assert len(held[0]() or b"") == 1000
            await pair.pass_time(3.5)
            assert held[0]() is None
            for _ in range(2):  # it fails in the same way however often it is read
                with pytest.raises(DeadlineExceeded) as caught:
                    await ex.receive()
                assert caught.value.may_have_begun
            await leave(pair, ex)
    finally:
        gc.enable()


async def test_a_deadline_that_the_other_end_sees_first_is_a_deadline_here() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, deadline=3)
        pair.now += 3.01
        pair.office.table.tick()
        await pair.settle()
        with pytest.raises(DeadlineExceeded):
            await ex.receive()
        await leave(pair, ex)


async def test_a_deadline_before_anything_was_sent_says_that_nothing_has_begun() -> None:
    async with Pair() as pair:
        pair.home.peer_instance = None
        ex = await serve_one(pair, Gate().wait, deadline=2)
        await pair.pass_time(2.5)
        with pytest.raises(DeadlineExceeded) as caught:
            await ex.receive()
        assert not caught.value.may_have_begun
        await leave(pair, ex)


async def test_a_deadline_that_is_over_already_is_still_a_deadline() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, deadline=0)
        assert pair.log[0].header.deadline == 1
        await pair.pass_time(0.25)
        with pytest.raises(DeadlineExceeded):
            await ex.receive()
        await leave(pair, ex)


async def test_an_opening_that_waited_has_less_time_left() -> None:
    async with Pair() as pair:
        pair.home.peer_instance = None
        ex = await serve_one(pair, Gate().wait, deadline=5)
        await pair.pass_time(2)
        pair.home.peer_instance = "office1"
        pair.home.table.flush(OFFICE)
        assert pair.log[0].header.deadline == 3000
        await leave(pair, ex)


async def test_an_answer_that_is_here_outlives_the_deadline() -> None:
    async with Pair() as pair:

        async def answer(ex: Exchange) -> None:
            await ex.send("early")
            await ex.finish("bird")

        ex = await serve_one(pair, answer, complete=True, deadline=2)
        await pair.pass_time(5)
        assert [payload async for payload in ex] == ["early", "bird"]
        await leave(pair, ex)


# --- silence, loss, restarts


async def test_a_silent_exchange_is_probed_and_lives() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, complete=True)
        await pair.pass_time(60)
        assert len(pair.frames("probe")) <= 12
        gate.leave.set()
        await pair.settle()
        assert [payload async for payload in ex] == []
        await leave(pair, ex)


async def test_a_cancel_that_was_lost_is_sent_again_however_much_is_heard_meanwhile() -> None:
    async def pour(ex: Exchange) -> None:
        while True:
            await ex.send(b"x" * 1000)

    async with Pair() as pair:
        lost: list[str] = []

        def drop(sent: Sent) -> bool:
            # The cancel once, and what the other end asks after again and again.
            name = sent.name
            gone = name == "home cancel 1" and name not in lost
            gone = gone or (sent.header.type == "data" and sent.header.seq > 5)
            if gone:
                lost.append(name)
            return gone

        pair.drop = drop
        # Slower to ask than the other end, which is therefore never silent for so long.
        slow = attrs.evolve(pair.home.table.limits, probe_unacked=3.0)
        pair.home.table.limits = slow
        ex = await serve_one(pair, pour, complete=True)
        await leave(pair, ex)
        assert "home cancel 1" in lost
        assert pair.now < 1000 + 10


async def test_a_peer_that_does_not_answer_is_lost() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, complete=True)
        pair.drop = lambda _: True
        await pair.pass_time(24.5)
        assert not gate.cancelled()
        await pair.pass_time(1)
        with pytest.raises(PeerLost, match="does not answer") as caught:
            await ex.receive()
        assert caught.value.may_have_begun
        assert gate.cancelled()
        with pytest.raises(PeerLost):
            await gate.exchange.send(1)
        await leave(pair, ex)


async def test_a_restart_of_the_answering_node_ends_the_exchange() -> None:
    async with Pair() as pair:
        ex = await serve_one(pair, Gate().wait, complete=True)
        pair.restart_office()
        pair.meet_again()
        with pytest.raises(PeerLost, match="office restarted") as caught:
            await ex.receive()
        assert caught.value.may_have_begun
        assert len(pair.office.started) == 1
        await leave(pair, ex)


async def test_an_opening_frame_that_may_have_arrived_is_not_sent_to_the_next_run() -> None:
    async with Pair() as pair:
        pair.drop = lambda _: True
        ex = await serve_one(pair, Gate().wait, complete=True)
        pair.drop = lambda _: False
        pair.restart_office()
        pair.home.peer_instance = "office2"
        await pair.pass_time(2)
        with pytest.raises(PeerLost, match="office restarted"):
            await ex.receive()
        assert pair.office.started == []
        await leave(pair, ex)


async def test_an_opening_frame_that_a_relay_gave_back_goes_to_the_next_run() -> None:
    """But it may have begun all the same: a relay may lie."""
    async with Pair() as pair:
        pair.drop = lambda _: True
        ex = await serve_one(pair, Gate().listen, complete=True)
        pair.report(pair.log[0])
        assert ex.may_have_begun
        pair.drop = lambda _: False
        pair.restart_office()
        pair.meet_again()
        await pair.settle()
        assert [payload async for payload in ex] == []
        assert len(pair.office.started) == 1
        await leave(pair, ex)


async def test_an_opening_frame_that_has_not_left_goes_to_the_next_run() -> None:
    async with Pair() as pair:
        pair.home.congested = True
        ex = await serve_one(pair, Gate().listen, complete=True)
        pair.restart_office()
        pair.home.congested = False
        pair.meet_again()
        await pair.settle()
        assert [payload async for payload in ex] == []
        assert len(pair.office.started) == 1
        await leave(pair, ex)


async def test_a_session_that_is_made_anew_is_no_restart() -> None:
    async with Pair() as pair:
        pair.drop = of_type("it")
        gate = Gate()
        ex = await serve_one(pair, gate.listen, complete=True)
        pair.home.peer_instance = None
        await pair.pass_time(1)
        pair.home.peer_instance = "office1"
        pair.drop = lambda _: False
        pair.home.table.flush(OFFICE, again=True)
        await pair.settle()
        assert [payload async for payload in ex] == []
        await leave(pair, ex)


async def test_a_peer_that_forgot_the_exchange_says_so() -> None:
    async with Pair() as pair:
        ex = await serve_one(pair, Gate().wait, complete=True)
        pair.restart_office()  # and home is not told
        await pair.pass_time(11)
        with pytest.raises(PeerLost, match="no longer knows the exchange") as caught:
            await ex.receive()
        assert caught.value.may_have_begun
        await leave(pair, ex)


async def test_an_asking_node_that_forgot_the_exchange_ends_the_handler() -> None:
    async with Pair() as pair:
        gate = Gate()
        await serve_one(pair, gate.wait, complete=True)
        pair.home.table.abandon()
        pair.home.table = pair.home.make_table()
        await pair.pass_time(11)
        assert gate.cancelled()
        await pair.wind_down()


async def test_old_news_that_the_exchange_is_unknown_is_checked() -> None:
    async with Pair() as pair:
        gate = Gate()
        pair.office.handlers["it"] = gate.listen
        ex = await pair.home.table.open(OFFICE, "it").__aenter__()
        await ex.send(1)
        opening, data = pair.flying
        pair.flying.clear()
        pair.arrive(data)
        unknown = pair.flying.pop()
        assert unknown.header.type == "unknown"
        pair.arrive(opening)
        pair.arrive(data)
        await ex.finish()
        await pair.pass_time(2)  # it is acknowledged
        pair.arrive(unknown)
        pair.arrive(unknown)
        assert len(pair.flying) == 1
        await pair.settle()
        assert gate.read == [1]
        assert [payload async for payload in ex] == []
        await leave(pair, ex)


async def test_one_whose_opening_frame_never_arrives_ends_although_the_peer_says_so() -> None:
    async with Pair() as pair:
        pair.drop = of_type("answer")
        began = pair.now
        outcome = await pair.run(SCRIPTS["ask"][0])
        assert isinstance(outcome, PeerLost)
        assert outcome.may_have_begun
        assert len(pair.frames("unknown")) > 10
        assert pair.home.limits.lost < pair.now - began < pair.home.limits.lost + 1
        await pair.wind_down()


async def test_one_that_only_hears_that_it_is_unknown_ends() -> None:
    async with Pair() as pair:
        gate = Gate()
        await serve_one(pair, gate.wait, complete=True)
        pair.drop = lambda sent: sent.header.source == OFFICE
        [end] = pair.home.table.live
        header = Header("unknown", end.envelope.id, OFFICE, HOME, 0, "sealed", re=True)
        for _ in range(int(pair.home.limits.lost) + 1):
            pair.home.deliver(header, b"j", b"")
            await pair.pass_time(1)
        assert isinstance(end.error, PeerLost)
        assert not pair.home.table.live


async def test_an_answer_that_is_here_outlives_the_peer() -> None:
    async with Pair() as pair:

        async def answer(ex: Exchange) -> None:
            await ex.send("all")
            await ex.finish("of it")

        ex = await serve_one(pair, answer)  # home has not finished its own side
        pair.restart_office()
        pair.meet_again()
        assert [payload async for payload in ex] == ["all", "of it"]
        with pytest.raises(PeerLost):
            await ex.send(1)
        await leave(pair, ex)


async def test_an_answer_may_be_read_long_after_the_peer_forgot_it() -> None:
    async with Pair() as pair:

        async def answer(ex: Exchange) -> None:
            await ex.send("all")
            await ex.finish("of it")

        ex = await serve_one(pair, answer, complete=True)
        await pair.pass_time(400)
        pair.meet_again()
        pair.home.table.abandon()
        assert [payload async for payload in ex] == ["all", "of it"]
        await leave(pair, ex)


async def test_what_was_read_in_part_when_the_peer_is_lost_ends_with_the_error() -> None:
    async with Pair() as pair:

        async def begin(ex: Exchange) -> None:
            await ex.send("some")
            await anyio.sleep_forever()

        ex = await serve_one(pair, begin, complete=True)
        assert await ex.receive() == "some"
        pair.restart_office()
        pair.meet_again()
        for _ in range(2):
            with pytest.raises(PeerLost):
                await ex.receive()
        await leave(pair, ex)
