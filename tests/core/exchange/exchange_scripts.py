"""What two nodes may say to each other, and what has to come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import DeadlineExceeded, ExchangeFailure
from clawmatrix_core.wire.codec import CHUNK
from tests.core.exchange.exchange_pair import OFFICE, Pair

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.exchange.exchange import Exchange

# --- what office answers


async def answer(ex: Exchange) -> None:
    """Answer with the request."""
    await ex.finish({"got": ex.request})


async def echo(ex: Exchange) -> None:
    """Send back what comes."""
    async for payload in ex:
        await ex.send(payload)


async def pour(ex: Exchange) -> None:
    """Send more than the window."""
    for number in range(12):
        await ex.send(bytes([number]) * (CHUNK // 2))
    await ex.send({"end": True})


async def drink(ex: Exchange) -> None:
    """Count what comes."""
    await ex.finish(sum([len(payload) async for payload in ex]))


async def refuse(ex: Exchange) -> None:
    """Answer with an error."""
    raise ExchangeFailure("too_hot", "not today", detail={"degrees": 41}, may_have_begun=False)


async def break_off(ex: Exchange) -> None:
    """Send something, then fail."""
    await ex.send("some")
    raise ExchangeFailure("broke", "in the middle")


async def hang(ex: Exchange) -> None:
    """Never answer."""
    await anyio.sleep_forever()


async def ignore(ex: Exchange) -> None:
    """Answer at once, without reading."""
    await ex.finish("whatever")


HANDLERS = {
    "answer": answer,
    "echo": echo,
    "pour": pour,
    "drink": drink,
    "refuse": refuse,
    "break_off": break_off,
    "hang": hang,
    "ignore": ignore,
}

# --- what home asks, and what comes of it


async def ask(pair: Pair) -> Any:
    """Ask in one frame, be answered in one."""
    async with pair.home.table.open(OFFICE, "answer", {"n": 1}, complete=True) as ex:
        return await ex.receive()


async def converse(pair: Pair) -> Any:
    """Send and receive in turn, then finish."""
    got = []
    async with pair.home.table.open(OFFICE, "echo") as ex:
        for number in range(4):
            await ex.send({"n": number})
            got.append(await ex.receive())
        await ex.finish(b"last")
        return got + [payload async for payload in ex]


async def stream(pair: Pair) -> Any:
    """Receive more than the window."""
    async with pair.home.table.open(OFFICE, "pour", complete=True) as ex:
        got = [payload async for payload in ex]
    return [payload[:1] + bytes([len(payload) % 251]) for payload in got[:-1]] + [got[-1]]


async def upload(pair: Pair) -> Any:
    """Send more than the window."""
    async with pair.home.table.open(OFFICE, "drink") as ex:
        await ex.finish(bytes(9 * CHUNK + 1))
        return await ex.receive()


async def be_refused(pair: Pair) -> Any:
    """Get an error for an answer."""
    async with pair.home.table.open(OFFICE, "refuse", complete=True) as ex:
        return await ex.receive()


async def see_it_break(pair: Pair) -> Any:
    """Get an error behind a part of the answer."""
    async with pair.home.table.open(OFFICE, "break_off") as ex:
        got = [await ex.receive()]
        with pytest.raises(ExchangeFailure, match="in the middle"):
            await ex.receive()
        return got


async def ask_for_nothing_known(pair: Pair) -> Any:
    """Ask for a type that office does not have, still sending."""
    async with pair.home.table.open(OFFICE, "nonsense") as ex:
        await ex.send(bytes(100))
        return await ex.receive()


async def leave_early(pair: Pair) -> Any:
    """Leave in the middle of the answer."""
    async with pair.home.table.open(OFFICE, "echo") as ex:
        await ex.send(1)
        return await ex.receive()


async def leave_at_once(pair: Pair) -> Any:
    """Leave before there is anything."""
    async with pair.home.table.open(OFFICE, "hang", complete=True):
        return "left"


async def run_out_of_time(pair: Pair) -> Any:
    """Wait longer than the deadline."""
    async with pair.home.table.open(OFFICE, "hang", complete=True, deadline=8) as ex:
        return await ex.receive()


async def talk_past(pair: Pair) -> Any:
    """Send to one that does not listen, then take its answer."""
    async with pair.home.table.open(OFFICE, "ignore") as ex:
        for _ in range(10):
            await ex.send(bytes(CHUNK))
        return await ex.receive()


SCRIPTS: dict[str, tuple[Callable[[Pair], Awaitable[Any]], Any]] = {
    "ask": (ask, {"got": {"n": 1}}),
    "converse": (converse, [{"n": 0}, {"n": 1}, {"n": 2}, {"n": 3}, b"last"]),
    "stream": (
        stream,
        [bytes([number, CHUNK // 2 % 251]) for number in range(12)] + [{"end": True}],
    ),
    "upload": (upload, 9 * CHUNK + 1),
    "be_refused": (be_refused, (ExchangeFailure, "too_hot", "not today", False)),
    "see_it_break": (see_it_break, ["some"]),
    "ask_for_nothing_known": (
        ask_for_nothing_known,
        (ExchangeFailure, "unknown_type", "office has no 'nonsense'", False),
    ),
    "leave_early": (leave_early, 1),
    "leave_at_once": (leave_at_once, "left"),
    "run_out_of_time": (run_out_of_time, (DeadlineExceeded, "the deadline passed", True)),
    "talk_past": (talk_past, "whatever"),
}
