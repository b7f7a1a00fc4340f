"""One exchange, as its two ends see it: payloads, flow, and how the handler ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import (
    ExchangeError,
    ExchangeFailure,
    LocalProtocolError,
    PeerLost,
)
from clawmatrix_core.exchange.failures import error_body
from clawmatrix_core.exchange.windows import FRAME_COST, WINDOW
from clawmatrix_core.wire.codec import CHUNK, Lane
from tests.core.exchange.exchange_pair import HOME, OFFICE, Gate, Pair, leave, serve_one

if TYPE_CHECKING:
    from clawmatrix_core.exchange.exchange import Exchange

pytestmark = pytest.mark.anyio

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
        assert pair.log[0].header.lane == Lane.BULK.value
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


@pytest.mark.both_loops
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


async def test_bytes_go_with_json_in_one_frame() -> None:
    async with Pair() as pair:

        async def answer(ex: Exchange) -> None:
            assert (ex.request, [part async for part in ex]) == ({"n": 1}, [b"asked\n"])
            await ex.send({"n": 2}, b"")
            await ex.finish({"n": 3}, b"told")

        ex = await serve_one(pair, answer, payload={"n": 1}, data=b"asked\n", complete=True)
        assert [part async for part in ex] == [{"n": 2}, b"", {"n": 3}, b"told"]
        assert [sent.kind for sent in pair.log[:3]] == [b"m", b"m", b"m"]
        assert pair.log[0].payload == b'{"n":1}\nasked\n'
        assert not pair.office.faults
        await leave(pair, ex)


@pytest.mark.parametrize("size", [CHUNK - 2, CHUNK - 1, CHUNK + 1])
async def test_bytes_that_do_not_fit_beside_their_json_go_behind_it(size: int) -> None:
    async with Pair() as pair:
        gate = Gate()
        ex = await serve_one(pair, gate.listen)
        await ex.send(1, bytes(size))
        await ex.finish(2, bytes(size))
        await pair.settle()
        one, two = gate.read.index(1), gate.read.index(2)
        assert b"".join(gate.read[one + 1 : two]) == b"".join(gate.read[two + 1 :]) == bytes(size)
        assert all(len(sent.payload) <= CHUNK for sent in pair.log)
        assert (pair.log[1].kind == b"m") == (size <= CHUNK - 2)
        await leave(pair, ex)


async def test_an_opening_that_does_not_fit_into_a_frame_is_refused() -> None:
    async with Pair() as pair:
        with pytest.raises(LocalProtocolError, match="stream it"):
            pair.home.table.open(OFFICE, "it", 1, data=bytes(CHUNK - 1))


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


@pytest.mark.both_loops
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
            assert pair.home.end_of(ex).sending.outbox.unacked == 0
            for read in range(1, 20):
                await gate.exchange.receive()
                await pair.settle()
                assert sent <= full + read
                inbox = pair.office.end_of(ex).receiving.inbox
                assert inbox.used - inbox.taken <= WINDOW
            assert sent >= full + 16
            tasks.cancel_scope.cancel()
        await leave(pair, ex)


@pytest.mark.both_loops
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
            outbox = pair.office.end_of(ex).sending.outbox
            while outbox.room() >= 0:
                await ex.send(bytes(min(CHUNK, outbox.room())))
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
        assert gate.cancelled()
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
        assert pair.home.is_idle()
        assert not gate.cancelled()
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
        end = pair.office.end_of(ex)
        end.push("error", b"j", json.dumps(payload).encode(), fin=False)
        await pair.settle()
        with pytest.raises(ExchangeFailure):
            await ex.receive()
        gate.leave.set()
        await leave(pair, ex)
