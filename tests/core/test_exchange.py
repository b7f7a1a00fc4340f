"""One exchange: what its two ends see, and what is left of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.errors import (
    DeadlineExceeded,
    ExchangeCancelled,
    ExchangeError,
    ExchangeFailure,
    LocalProtocolError,
    PeerLost,
    Undeliverable,
)
from clawmatrix_core.exchange import error_body
from clawmatrix_core.exchange_state import FRAME_COST, WINDOW
from clawmatrix_core.frames import CHUNK, Lane, NodeId
from tests.core.exchange_pair import HOME, OFFICE, Pair, Sent
from tests.core.exchange_scripts import HANDLERS, SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.exchange import Exchange

pytestmark = pytest.mark.anyio


class Gate:
    """A handler that does what the test tells it, and notes how it ended."""

    def __init__(self) -> None:
        self.exchange: Exchange
        self.leave = anyio.Event()
        self.cancelled = False
        self.error: ExchangeError | None = None
        self.read: list[Any] = []

    async def wait(self, ex: Exchange) -> None:
        """Do nothing until told to leave."""
        self.exchange = ex
        try:
            await self.leave.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled = True
            raise

    async def listen(self, ex: Exchange) -> None:
        """Read to the end."""
        self.exchange = ex
        try:
            async for payload in ex:
                self.read.append(payload)
        except ExchangeError as error:
            self.error = error
            raise
        except anyio.get_cancelled_exc_class():
            self.cancelled = True
            raise


async def serve_one(
    pair: Pair, handler: Callable[[Exchange], Awaitable[None]], **opening: Any
) -> Exchange:
    """Have office answer ``it`` with the handler; open it, and let it arrive."""
    pair.office.handlers["it"] = handler
    ex = await pair.home.table.open(OFFICE, "it", **opening).__aenter__()
    await pair.settle()
    return ex


async def leave(pair: Pair, *exchanges: Exchange) -> None:
    """Leave exchanges as ``async with`` does; nothing may be left of them."""
    for ex in exchanges:
        await ex.__aexit__(None, None, None)
    await pair.wind_down()


def of_type(*types: str) -> Callable[[Sent], bool]:
    """Lose frames of these types."""
    return lambda sent: sent.header.type in types


# --- the two ends


async def test_the_opening_tells_the_handler_who_asks_what() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, payload={"n": 1}, lane=Lane.BULK)
        there = gate.exchange
        assert (there.peer, there.id, there.type) == (HOME, ex.id, "it")
        assert there.request == {"n": 1}
        assert (ex.initiated, there.initiated) == (True, False)
        assert (ex.complete, there.complete) == (False, False)
        assert (ex.instance, there.instance) == ("office1", "home1")
        assert not ex.finished
        assert pair.log[0].header.lane == Lane.BULK
        await leave(pair, ex)


async def test_a_complete_opening_is_the_whole_request() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.listen, complete=True)
        assert ex.complete
        assert gate.exchange.complete
        assert ex.finished
        with pytest.raises(ExchangeFailure, match="office ended the exchange early") as caught:
            await ex.receive()
        assert caught.value.code == "ended"
        with pytest.raises(LocalProtocolError, match="is finished"):
            await ex.send(1)
        await leave(pair, ex)


async def test_payloads_come_out_as_they_went_in() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.listen)
        for payload in (b"", b"x", {"a": [1, None]}, None, "", bytearray(b"y"), memoryview(b"z")):
            await ex.send(payload)
        await ex.finish({"last": True})
        await pair.settle()
        assert gate.read == [b"", b"x", {"a": [1, None]}, None, "", b"y", b"z", {"last": True}]
        await leave(pair, ex)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1])
async def test_bytes_are_cut_into_chunks(size: int) -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.listen)
        payload = bytes(range(256)) * (size // 256 + 1)
        await ex.finish(payload[:size])
        await pair.settle()
        assert b"".join(gate.read) == payload[:size]
        assert max(map(len, gate.read), default=0) <= CHUNK
        assert len(pair.frames("data")) == max(1, -(-size // CHUNK)) + 1  # office's own end
        await leave(pair, ex)


async def test_json_that_does_not_fit_into_a_frame_is_the_callers_error() -> None:
    async with Pair() as pair:
        gate = Gate()
        with pytest.raises(LocalProtocolError, match="stream it"):
            pair.home.table.open(OFFICE, "it", "x" * CHUNK)
        ex = await serve_one(pair, gate.listen)
        with pytest.raises(LocalProtocolError, match="send bytes"):
            await ex.send("x" * CHUNK)
        await leave(pair, ex)


@pytest.mark.parametrize("type_", ["", "t" * 65])
async def test_a_type_has_1_to_64_characters(type_: str) -> None:
    async with Pair() as pair:
        with pytest.raises(LocalProtocolError, match="1 to 64 characters"):
            pair.home.table.open(OFFICE, type_)


async def test_repr_tells_the_state() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait)
        assert repr(ex).startswith("<Exchange it to office home-0 open <Outbox open")
        assert repr(gate.exchange).startswith("<Exchange it from home home-0 open")
        await ex.__aexit__(None, None, None)
        assert "failed: cancelled here" in repr(ex)
        await pair.wind_down()
        assert repr(pair.home.table) == "<Exchanges live=0 remembered=1>"


# --- flow


async def test_a_slow_reader_slows_the_sender_and_memory_is_the_window() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait)
        sent = 0

        async def send() -> None:
            nonlocal sent
            while True:
                await ex.send(bytes(CHUNK // 2))
                sent += 1

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            await pair.pass_time(5)
            full = WINDOW // (CHUNK // 2 + FRAME_COST)
            assert sent == full
            assert ex._outbox.unacked == 0
            for read in range(1, 20):
                await gate.exchange.receive()
                await pair.settle()
                assert sent <= full + read
                assert gate.exchange._inbox.used - gate.exchange._inbox.taken <= WINDOW
            assert sent >= full + 16
            tasks.cancel_scope.cancel()
        await leave(pair, ex)


async def test_several_tasks_may_write_and_read() -> None:
    async with Pair() as pair:
        gate = Gate()
        pair.office.handlers["it"] = gate.wait
        got: list[Any] = []

        async def write(ex: Exchange, number: int) -> None:
            for _ in range(4):
                await ex.send(bytes([number]) * CHUNK)

        async def read(ex: Exchange) -> None:
            got.append(await ex.receive())

        async with pair.home.table.open(OFFICE, "it") as ex:
            await pair.settle()
            async with anyio.create_task_group() as tasks:
                for number in range(3):
                    tasks.start_soon(write, ex, number)
                    tasks.start_soon(read, gate.exchange)
                await pair.settle()
                for _ in range(9):
                    await read(gate.exchange)
                    await pair.settle()
        assert sorted(payload[0] for payload in got) == [0] * 4 + [1] * 4 + [2] * 4
        await pair.wind_down()


async def test_an_error_gets_through_although_credit_is_used_up() -> None:
    async with Pair() as pair:

        async def fill(ex: Exchange) -> None:
            while ex._outbox.room() >= 0:
                await ex.send(bytes(min(CHUNK, ex._outbox.room())))
            raise ExchangeFailure("late", "no more of it", detail="x" * 1000)

        ex = await serve_one(pair, fill)
        received = sum([len(await ex.receive()) for _ in range(4)])
        assert received == WINDOW - 4 * FRAME_COST
        with pytest.raises(ExchangeFailure) as caught:
            await ex.receive()
        assert (caught.value.code, caught.value.detail) == ("late", "x" * 1000)
        await leave(pair, ex)


async def test_what_the_handler_does_not_read_does_not_hold_up_the_sender() -> None:
    async with Pair() as pair:

        async def ignore(ex: Exchange) -> None:
            await ex.finish("done")

        ex = await serve_one(pair, ignore)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ex.finish, bytes(20 * CHUNK))
            await pair.settle()
        assert await ex.receive() == "done"
        assert not pair.frames("probe")
        await leave(pair, ex)


async def test_what_the_handler_left_unread_counts_as_read() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ex.finish, bytes(6 * CHUNK))
            await pair.settle()
            gate.leave.set()
            await pair.settle()
        assert not pair.frames("probe")
        await leave(pair, ex)


async def test_a_writer_that_waits_hears_of_an_error_answer() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait)
        caught: list[ExchangeError] = []

        async def write() -> None:
            try:
                await ex.finish(bytes(20 * CHUNK))
            except ExchangeError as error:
                caught.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            await pair.settle()
            gate.exchange.fail(ExchangeFailure("enough", "no more"))
            await pair.settle()
        assert [str(error) for error in caught] == ["no more"]
        gate.leave.set()
        await leave(pair, ex)


# --- how the handler ends


async def test_a_handler_that_ends_finishes_its_side() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, complete=True)
        gate.leave.set()
        await pair.settle()
        assert [payload async for payload in ex] == []
        await leave(pair, ex)


async def test_a_handlers_failure_is_the_answer() -> None:
    async with Pair() as pair:

        async def fail(ex: Exchange) -> None:
            raise ExchangeFailure("no_such", "not here", detail=[1, 2], may_have_begun=False)

        ex = await serve_one(pair, fail)
        with pytest.raises(ExchangeFailure, match="not here") as caught:
            await ex.receive()
        assert (caught.value.code, caught.value.detail) == ("no_such", [1, 2])
        assert not caught.value.may_have_begun
        await leave(pair, ex)


async def test_a_handler_that_raises_is_reported_and_answers_no_details() -> None:
    async with Pair() as pair:

        async def stumble(ex: Exchange) -> None:
            raise ValueError("the secret is 1234")

        ex = await serve_one(pair, stumble)
        with pytest.raises(ExchangeFailure, match=r"^the handler failed$") as caught:
            await ex.receive()
        assert caught.value.code == "internal"
        assert caught.value.may_have_begun
        [fault] = pair.office.faults
        assert fault.hook == "it handler"
        pair.office.faults.clear()
        await leave(pair, ex)


async def test_an_error_of_another_exchange_in_a_handler_is_a_failure() -> None:
    async with Pair() as pair:

        async def ask_on(ex: Exchange) -> None:
            raise PeerLost("lab does not answer")

        ex = await serve_one(pair, ask_on)
        with pytest.raises(ExchangeFailure, match="lab does not answer") as caught:
            await ex.receive()
        assert caught.value.code == "failed"
        await leave(pair, ex)


async def test_a_plugin_that_stops_tells_who_asked() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait)
        pair.office.scope.cancel()
        await pair.settle()
        assert gate.cancelled
        with pytest.raises(ExchangeFailure, match="the handler was cancelled") as caught:
            await ex.receive()
        assert caught.value.code == "cancelled"
        await leave(pair, ex)


async def test_a_plugin_that_has_stopped_begins_nothing() -> None:
    async with Pair() as pair:
        pair.office.scope.cancel()
        await pair.office.scope.wait_stopped()
        gate = Gate()
        ex = await serve_one(pair, gate.wait)
        with pytest.raises(ExchangeFailure, match="not answered here any more") as caught:
            await ex.receive()
        assert not caught.value.may_have_begun
        assert pair.office.started == []
        await leave(pair, ex)


async def test_a_handler_may_go_on_after_its_answer() -> None:
    async with Pair() as pair:
        gate = Gate()

        async def answer_first(ex: Exchange) -> None:
            await ex.finish("done")
            await gate.wait(ex)

        ex = await serve_one(pair, answer_first, complete=True)
        assert await ex.receive() == "done"
        await ex.__aexit__(None, None, None)
        await pair.pass_time(200)
        assert pair.home.idle
        assert not gate.cancelled
        gate.leave.set()
        await pair.wind_down()


async def test_the_asking_side_may_fail_too() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.listen)
        await ex.send(1)
        ex.fail(ExchangeFailure("lost_it", "the file is gone"))
        await pair.settle()
        assert gate.read == [1]
        assert str(gate.error) == "the file is gone"
        with pytest.raises(ExchangeFailure) as caught:
            await ex.receive()
        assert caught.value.code == "lost_it"
        await leave(pair, ex)


async def test_only_the_first_end_of_a_side_counts() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.listen)
        await ex.finish()
        ex.fail(ExchangeFailure("late", "too late"))
        with pytest.raises(LocalProtocolError):
            await ex.finish()
        await pair.settle()
        assert gate.error is None
        assert [payload async for payload in ex] == []
        await leave(pair, ex)


def test_an_error_too_large_for_a_frame_is_cut() -> None:
    small = error_body(ExchangeFailure("code", "message", detail={"a": 1}))
    assert small == b'{"code":"code","message":"message","detail":{"a":1}}'
    without = error_body(ExchangeFailure("code", "message", detail="x" * CHUNK))
    assert without == b'{"code":"code","message":"message"}'
    cut = error_body(ExchangeFailure("code", "x" * CHUNK, may_have_begun=False))
    assert cut == b'{"code":"code","message":"' + b"x" * 4096 + '…","begun":false}'.encode()


@pytest.mark.parametrize("payload", [None, "text", 5, {}, {"code": {}, "message": []}])
async def test_an_error_answer_in_no_known_form_is_an_error_too(payload: Any) -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait)
        gate.exchange._outbox.push("error", b"j", json.dumps(payload).encode())
        gate.exchange.flush()
        await pair.settle()
        with pytest.raises(ExchangeFailure):
            await ex.receive()
        gate.leave.set()
        await leave(pair, ex)


# --- cancelling


async def test_leaving_early_cancels_the_handler_at_once() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, complete=True)
        await ex.__aexit__(None, None, None)
        await pair.settle()
        assert gate.cancelled
        assert pair.home.idle
        assert pair.office.idle
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
        assert pair.home.idle
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
    handlers: dict[str, Callable[[Exchange], Awaitable[None]]],
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
        assert not gate.cancelled
        await pair.pass_time(0.5)
        assert gate.cancelled
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
        assert gate.cancelled
        with pytest.raises(DeadlineExceeded):
            await ex.receive()
        with pytest.raises(DeadlineExceeded):
            await gate.exchange.receive()
        await leave(pair, ex)


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


async def test_a_peer_that_does_not_answer_is_lost() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, complete=True)
        pair.drop = lambda _: True
        await pair.pass_time(24.5)
        assert not gate.cancelled
        await pair.pass_time(1)
        with pytest.raises(PeerLost, match="does not answer") as caught:
            await ex.receive()
        assert caught.value.may_have_begun
        assert gate.cancelled
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


async def test_an_opening_frame_that_cannot_have_arrived_goes_to_the_next_run() -> None:
    async with Pair() as pair:
        pair.drop = lambda _: True
        ex = await serve_one(pair, Gate().listen, complete=True)
        pair.report(pair.log[0])
        pair.drop = lambda _: False
        pair.restart_office()
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
        assert gate.cancelled
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


# --- routes


async def test_no_route_within_grace_ends_it_and_nothing_has_begun() -> None:
    async with Pair() as pair:
        pair.home.routed = False
        ex = await serve_one(pair, Gate().wait)
        await pair.pass_time(5)
        assert pair.home.table.live
        await pair.pass_time(0.5)
        with pytest.raises(Undeliverable, match="no route to office") as caught:
            await ex.receive()
        assert not caught.value.may_have_begun
        await leave(pair, ex)


async def test_no_route_for_too_long_ends_both_ends_and_it_may_have_begun() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait)
        for side in (pair.home, pair.office):
            side.routed = False
            for one in side.table.live:
                one.unroutable(pair.now)
        await pair.pass_time(5.5)
        assert gate.cancelled
        with pytest.raises(Undeliverable) as caught:
            await ex.receive()
        assert caught.value.may_have_begun
        await leave(pair, ex)


async def test_a_route_that_comes_back_in_time_is_enough() -> None:
    """Even though neither end has anything to say."""
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, complete=True)
        ex.unroutable(pair.now)
        await pair.pass_time(0.5)
        ex.resume(again=True)
        await pair.pass_time(20)
        assert not gate.cancelled
        gate.leave.set()
        await pair.settle()
        assert [payload async for payload in ex] == []
        await leave(pair, ex)


async def test_a_route_that_comes_back_unnoticed_is_found_by_asking() -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.wait, complete=True)
        pair.home.routed = False
        ex.unroutable(pair.now)
        await pair.pass_time(2)
        pair.home.routed = True
        await pair.pass_time(20)
        assert not gate.cancelled
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
        pair.home.table.lose(NodeId("lab"), "lab2", "restarted")
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
        assert ex._outbox.acked == 2
        pair.report(pair.log[0])
        pair.report(pair.frames("data")[0])
        assert ex.may_have_begun
        assert ex._outbox.due() is None
        pair.home.table.undeliverable(OFFICE, "no such id", re=False, seq=0, reason="ttl")
        await leave(pair, ex)


async def test_reports_for_longer_than_grace_end_it_and_nothing_has_begun() -> None:
    async with Pair() as pair:
        pair.drop = lambda _: True
        ex = await serve_one(pair, Gate().wait)
        reported = 0
        for _ in range(30):
            await pair.pass_time(0.25)
            while reported < len(pair.log):
                pair.report(pair.log[reported])
                reported += 1
        with pytest.raises(Undeliverable) as caught:
            await ex.receive()
        assert not caught.value.may_have_begun
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
        assert not gate.cancelled
        await leave(pair, ex)


async def test_congestion_is_waited_for_and_is_no_loss_of_route() -> None:
    async with Pair() as pair:
        gate = Gate()
        pair.home.congested = True
        ex = await serve_one(pair, gate.listen)
        await ex.finish(b"x")
        await pair.pass_time(10)
        assert pair.log == []
        assert set(pair.home.waiters) == {ex.flush}
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
