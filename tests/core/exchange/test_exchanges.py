"""All exchanges of a node: on a path that loses, repeats and reorders, and with hostile peers."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import (
    DecryptError,
    ExchangeError,
    ExchangeFailure,
    PeerLost,
    RemoteProtocolError,
)
from clawmatrix_core.exchange.limits import ExchangeLimits
from clawmatrix_core.exchange.windows import WINDOW
from clawmatrix_core.wire.codec import CHUNK, Header
from tests.core.exchange.exchange_pair import HOME, OFFICE, Pair, Sent, key_of, summary
from tests.core.exchange.exchange_scripts import HANDLERS, SCRIPTS, answer, hang

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.exchange.endpoint import Endpoint
    from clawmatrix_core.exchange.exchange import Exchange

pytestmark = pytest.mark.anyio

each_script = pytest.mark.parametrize("name", SCRIPTS)


async def play(name: str, pair: Pair) -> None:
    """Run a script on a pair; it has to end as it should, and leave nothing."""
    script, expected = SCRIPTS[name]
    pair.office.handlers = dict(HANDLERS)
    assert summary(await pair.run(script)) == expected
    await pair.wind_down()
    assert len(pair.office.started) <= 1


def losing(numbers: set[int]) -> Callable[[Sent], bool]:
    """Lose the frames of these numbers."""
    return lambda sent: sent.number in numbers


@each_script
async def test_it_ends_right_on_a_good_path(name: str) -> None:
    async with Pair() as pair:
        await play(name, pair)
        assert not pair.frames("unknown")


@each_script
async def test_it_ends_right_whichever_frame_is_lost(name: str) -> None:
    async with Pair() as pair:
        await play(name, pair)
        count = len(pair.log)
    for number in range(count):
        async with Pair() as pair:
            pair.drop = losing({number})
            await play(name, pair)


@each_script
async def test_it_ends_right_whichever_two_frames_in_a_row_are_lost(name: str) -> None:
    async with Pair() as pair:
        await play(name, pair)
        count = len(pair.log)
    for number in range(0, count, 1 if count < 30 else 3):
        async with Pair() as pair:
            pair.drop = losing({number, number + 1})
            await play(name, pair)


@each_script
@pytest.mark.parametrize("seed", range(8))
async def test_it_ends_right_on_a_bad_path(name: str, seed: int) -> None:
    random = Random(f"{name} {seed}")
    async with Pair() as pair:
        pair.random = random
        pair.drop = lambda _: random.random() < 0.15
        await play(name, pair)


# --- what peers may do


def from_home(type_: str = "it", id_: str = "home-x", **fields: Any) -> Header:
    """Return the header of a frame that home might send."""
    return Header(type_, id_, HOME, OFFICE, 0, "sealed", **fields)


async def forgotten(pair: Pair) -> None:
    """Return when home remembers no exchange any more."""
    with anyio.fail_after(5):
        while pair.home.table.remembered:
            await anyio.lowlevel.checkpoint()


async def accepted(pair: Pair) -> Endpoint:
    """Have office answer an exchange, and return its end."""
    pair.office.handlers["it"] = hang
    pair.office.deliver(from_home(), b"j", b"{}")
    await pair.settle()
    [there] = pair.office.table.live
    return there


@pytest.mark.bound("clawmatrix_core.exchange.limits.PER_PEER")
async def test_one_node_may_have_only_so_many_exchanges_open() -> None:
    async with Pair(per_peer=2) as pair:
        pair.office.handlers["it"] = hang
        opened = [await pair.home.table.open(OFFICE, "it").__aenter__() for _ in range(3)]
        await pair.settle()
        with pytest.raises(ExchangeFailure, match="too many") as caught:
            await opened[2].receive()
        assert caught.value.code == "busy"
        assert not caught.value.may_have_begun
        await opened.pop().__aexit__(None, None, None)
        await opened.pop().__aexit__(None, None, None)
        await pair.settle()
        opened.append(await pair.home.table.open(OFFICE, "it").__aenter__())
        await pair.settle()
        assert len(pair.office.table.live) == 2
        for ex in opened:
            await ex.__aexit__(None, None, None)
        await pair.wind_down()


async def test_a_refusal_is_repeated_until_it_arrives() -> None:
    async with Pair() as pair:
        pair.drop = lambda sent: sent.header.type == "error" and len(pair.log) < 8
        ex = await pair.home.table.open(OFFICE, "nonsense").__aenter__()
        await pair.pass_time(6)
        with pytest.raises(ExchangeFailure, match="no 'nonsense'"):
            await ex.receive()
        await ex.__aexit__(None, None, None)
        await pair.wind_down()


async def test_what_was_refused_is_not_begun_by_a_repeat() -> None:
    async with Pair() as pair:
        async with pair.home.table.open(OFFICE, "answer") as ex:
            await pair.settle()
            pair.office.handlers["answer"] = answer
            pair.arrive(pair.log[0])
            await pair.settle()
            with pytest.raises(ExchangeFailure):
                await ex.receive()
        assert pair.office.started == []
        await pair.wind_down()


async def test_a_refusal_that_was_left_alone_is_only_acknowledged() -> None:
    async with Pair() as pair:
        pair.drop = lambda sent: sent.header.type == "error"
        async with pair.home.table.open(OFFICE, "nonsense"):
            await pair.settle()
        await pair.settle()
        assert pair.home.is_idle()
        assert len(pair.frames("error")) == 1


async def test_a_repeat_of_an_opening_frame_starts_nothing() -> None:
    async with Pair() as pair:
        pair.office.handlers["answer"] = answer
        async with pair.home.table.open(OFFICE, "answer", complete=True) as ex:
            await pair.settle()
            pair.arrive(pair.log[0])
            assert await ex.receive() == {"got": None}
        await pair.settle()
        pair.arrive(pair.log[0])
        await pair.pass_time(60)
        pair.arrive(pair.log[0])
        await pair.wind_down()
        assert len(pair.office.started) == 1


async def test_numbers_of_finished_exchanges_are_forgotten_in_time() -> None:
    async with Pair(linger=30.0) as pair:
        pair.office.deliver(from_home(id_="1"), b"j", b"")
        await pair.pass_time(20)
        pair.office.deliver(from_home(id_="2"), b"j", b"")
        pair.office.table.refuse(_frame(from_home(id_="1")), "again", "")
        await pair.pass_time(11)
        assert repr(pair.office.table) == "<Exchanges live=0 remembered=2>"
        await pair.pass_time(20)
        assert repr(pair.office.table) == "<Exchanges live=0 remembered=0>"


async def test_one_whose_asker_was_lost_is_remembered_while_its_keys_are_good() -> None:
    async with Pair(linger=30.0, linger_lost=300.0) as pair:
        pair.office.handlers["wait"] = hang
        pair.drop = lambda sent: sent.header.source == OFFICE
        async with pair.home.table.open(OFFICE, "wait", complete=True) as ex:
            await pair.pass_time(1)
            pair.drop = lambda _: True
            await pair.pass_time(60)
            with pytest.raises(PeerLost):
                await ex.receive()
        pair.drop = lambda _: False
        await pair.pass_time(200)
        pair.arrive(pair.log[0])
        await pair.settle()
        assert len(pair.office.started) == 1
        await pair.pass_time(100)
        assert repr(pair.office.table) == "<Exchanges live=0 remembered=0>"


@pytest.mark.bound("clawmatrix_core.exchange.finished.REMEMBERED")
async def test_numbers_of_finished_exchanges_are_bounded() -> None:
    async with Pair() as pair:
        pair.drop = lambda _: True
        for number in range(65536 + 10):
            pair.office.deliver(from_home("cancel", str(number)), b"j", b"")
            pair.log.clear()
        assert repr(pair.office.table) == "<Exchanges live=0 remembered=65536>"


def _frame(header: Header) -> Any:
    from clawmatrix_core.wire.frames import Frame

    return Frame(header, None, None, 0)


@pytest.mark.parametrize(
    ("header", "size", "reason"),
    [
        (from_home("data", seq=1, ack=1), 0, "ack"),
        (from_home("data", seq=1), CHUNK + 1, "too_large"),
        (from_home("data", seq=5), WINDOW, "too_large"),
    ],
)
async def test_a_breach_of_the_protocol_ends_the_exchange(
    header: Header, size: int, reason: str
) -> None:
    async with Pair() as pair:
        there = await accepted(pair)
        pair.drop = lambda _: True  # home does not even answer
        pair.office.deliver(header, b"b", bytes(size))
        assert pair.office.counters[reason] == 1
        await pair.settle()
        assert pair.log[-1].header.type == "cancel"
        assert there.sending.outbox.closed
        pair.office.deliver(header, b"b", bytes(size))
        await pair.pass_time(30)
        assert pair.office.is_idle()


async def test_a_second_breach_is_not_waited_out() -> None:
    async with Pair() as pair:
        await accepted(pair)
        pair.drop = lambda _: True
        bad = from_home("data", seq=1, ack=9)
        pair.office.deliver(bad, b"b", b"")
        await pair.settle()
        assert not pair.office.is_idle()
        pair.office.deliver(bad, b"b", b"")
        assert pair.office.is_idle()
        pair.flying.clear()


@pytest.mark.bound("clawmatrix_core.exchange.windows.WINDOW")
async def test_more_than_the_window_is_a_breach() -> None:
    async with Pair() as pair:
        await accepted(pair)
        for seq in range(1, 6):
            pair.office.deliver(from_home("data", seq=seq), b"b", bytes(CHUNK))
        assert pair.office.counters["window"] == 1
        await pair.pass_time(30)
        assert pair.office.is_idle()


async def test_an_opening_frame_that_acknowledges_something_opens_nothing() -> None:
    async with Pair() as pair:
        pair.office.handlers["it"] = hang
        pair.office.deliver(from_home(ack=5), b"j", b"{}")
        assert pair.office.counters["ack"] == 1
        assert b"bad_request" in pair.log[-1].payload
        assert pair.office.is_idle()
        assert pair.office.started == []
        await pair.settle()


@pytest.mark.parametrize("fields", [{"seq": 1}, {"re": True}])
async def test_a_frame_that_is_not_the_first_opens_nothing(fields: dict[str, Any]) -> None:
    async with Pair() as pair:
        pair.office.handlers["it"] = hang
        pair.office.deliver(from_home(**fields), b"j", b"{}")
        assert pair.office.counters["stray"] == 1
        assert pair.office.is_idle()
        assert pair.log == []


async def test_a_frame_without_an_id_belongs_to_no_exchange() -> None:
    """Neighbours' frames have none; refusing one must not silence the others."""
    async with Pair() as pair:
        header = from_home("heartbeat", "")
        assert not pair.office.table.deliver(_frame(header))
        pair.office.table.refuse(_frame(header), "unknown_type", "what?")
        assert not pair.office.table.deliver(_frame(header))
        assert pair.office.table.accept(_frame(header), hang, pair.office.scope)
        assert pair.office.counters["no_exchange"] == 2
        assert pair.log == []
        assert pair.office.is_idle()


@pytest.mark.parametrize("type_", ["data", "error", "probe"])
async def test_an_unknown_exchange_is_called_so(type_: str) -> None:
    async with Pair() as pair:
        pair.office.deliver(from_home(type_, seq=3), b"j", b"")
        [sent] = pair.log
        assert sent.header.type == "unknown"
        assert sent.header.re
        assert pair.office.counters["unknown_exchange"] == 1
        await pair.settle()


@pytest.mark.parametrize("type_", ["credit", "unknown"])
async def test_answers_are_not_answered(type_: str) -> None:
    async with Pair() as pair:
        pair.office.deliver(from_home(type_), b"j", b"")
        pair.office.deliver(from_home("cancel", "2"), b"j", b"")
        pair.office.deliver(from_home(type_, "2"), b"j", b"")
        assert [sent.header.type for sent in pair.log] == ["credit"]
        assert pair.office.counters["stray"] == 1
        await pair.settle()


async def test_a_body_that_is_none_ends_its_exchange_at_both_ends() -> None:
    error = RemoteProtocolError("bad JSON", reason="bad_json")
    async with Pair() as pair:
        await accepted(pair)
        pair.office.table.spoil(from_home("data", seq=1), error, key_of("home"))
        await pair.wind_down()


async def test_a_body_that_is_none_in_an_opening_frame_is_refused() -> None:
    error = DecryptError("bad JSON", reason="bad_json")
    async with Pair() as pair:
        pair.office.table.spoil(from_home(), error, key_of("home"))
        assert b"bad_request" in pair.log[-1].payload
        for header in (from_home("data"), from_home(seq=1), from_home(re=True)):
            pair.office.table.spoil(header, error, key_of("home"))
        assert len(pair.log) == 1
        await pair.settle()


async def test_a_credit_that_goes_back_changes_nothing() -> None:
    async with Pair() as pair:
        there = await accepted(pair)
        before = there.sending.outbox.limit
        pair.office.deliver(from_home("credit", limit=10 * WINDOW), b"j", b"")
        pair.office.deliver(from_home("credit", limit=1), b"j", b"")
        assert there.sending.outbox.limit == 10 * WINDOW > before
        pair.office.deliver(from_home("cancel", seq=1), b"j", b"")
        await pair.wind_down()


async def test_the_window_is_not_below_what_both_ends_begin_with() -> None:
    with pytest.raises(ValueError, match="window"):
        ExchangeLimits(window=WINDOW - 1)
    async with Pair(window=2 * WINDOW) as pair:
        there = await accepted(pair)
        assert there.sending.outbox.limit == WINDOW
        pair.office.deliver(from_home("cancel", seq=1), b"j", b"")
        await pair.wind_down()


# --- the life of the table


async def test_a_node_that_stops_tells_every_other_end() -> None:
    async with Pair() as pair:
        pair.office.handlers["it"] = pair.home.handlers["it"] = hang
        asked = await pair.home.table.open(OFFICE, "it").__aenter__()
        answered = await pair.office.table.open(HOME, "it").__aenter__()
        await pair.settle()
        for _ in range(2):
            pair.office.table.shut_down()
            await pair.settle()
        for ex, here in ((asked, False), (answered, True)):
            with pytest.raises(ExchangeFailure, match="the node stops") as raised:
                await ex.receive()
            assert raised.value.here is here  # who stops
            await ex.__aexit__(None, None, None)
        pair.office.scope.cancel()
        await pair.wind_down()


@pytest.mark.parametrize("data", [None, b"more"], ids=["alone", "with bytes"])
async def test_a_handler_that_writes_while_its_node_stops_is_no_fault(data: bytes | None) -> None:
    goes_on, raised = anyio.Event(), []

    async def write(ex: Exchange) -> None:
        await goes_on.wait()
        try:
            await ex.send({"late": True}, data)
        except ExchangeError as error:
            raised.append(error)
            raise

    async with Pair() as pair:
        pair.office.handlers["it"] = write
        async with pair.home.table.open(OFFICE, "it") as asked:
            await pair.settle()
            pair.office.table.shut_down()
            goes_on.set()
            await pair.settle()
            with pytest.raises(ExchangeFailure, match="the node stops"):
                await asked.receive()
        await pair.settle()
        assert [str(error) for error in raised] == ["the node stops"]
        assert not pair.office.faults
        await pair.wind_down()


async def test_a_node_that_stopped_leaves_nothing_waiting() -> None:
    async with Pair() as pair:
        pair.office.handlers["it"] = hang
        pair.drop = lambda _: True
        ex = await pair.home.table.open(OFFICE, "it").__aenter__()
        pair.home.table.abandon()
        with pytest.raises(ExchangeFailure, match="the node stopped"):
            await ex.receive()
        assert pair.home.is_idle()
        await ex.__aexit__(None, None, None)


async def test_the_table_looks_after_its_exchanges_by_itself() -> None:
    async with Pair(tick=0.001, linger=1.0, lost=2.0) as pair:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pair.home.table.run)
            await anyio.lowlevel.checkpoint()
            ex = await pair.home.table.open(OFFICE, "it").__aenter__()
            pair.flying.clear()
            pair.now += 3
            with anyio.fail_after(5), pytest.raises(ExchangeError, match="does not answer"):
                await ex.receive()
            await ex.__aexit__(None, None, None)
            pair.now += 2
            await forgotten(pair)
            # It waits now; what has to be forgotten wakes it, too.
            pair.home.table.refuse(_frame(from_home()), "no", "")
            pair.now += 2
            await forgotten(pair)
            tasks.cancel_scope.cancel()
        pair.flying.clear()
