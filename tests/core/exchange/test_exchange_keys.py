"""An exchange is with one key, whatever key the other end's name has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import PeerLost, RemoteProtocolError
from tests.core.exchange.exchange_pair import HOME, OFFICE, Pair, key_of

if TYPE_CHECKING:
    from clawmatrix_core.exchange.exchange import Exchange

pytestmark = pytest.mark.anyio

OTHER = b"the key of whoever took the name"


async def wait_for_more(ex: Exchange) -> None:
    """Answer, and read on until there is no more."""
    await ex.send({"key": None if ex.peer_key is None else ex.peer_key.decode()})
    async for _ in ex:
        pass


async def test_each_end_has_the_key_of_the_other() -> None:
    async with Pair() as pair:
        pair.office.handlers["it"] = wait_for_more
        asked = pair.home.table.open(OFFICE, "it")
        assert asked.peer_key is None
        async with asked as ex:
            await pair.settle()
            assert ex.peer_key == key_of(OFFICE)
            assert await ex.receive() == {"key": key_of(HOME).decode()}
        await pair.wind_down()


async def test_frames_under_another_key_are_none_of_an_exchange() -> None:
    async with Pair() as pair:
        pair.office.handlers["it"] = wait_for_more
        async with pair.home.table.open(OFFICE, "it") as ex:
            await pair.settle()
            [there] = pair.office.table.live
            heard = there.receiving.inbox.expected
            pair.office.peer_key = OTHER
            await ex.send(b"an order")
            await pair.settle()
            error = RemoteProtocolError("bad JSON", reason="bad_json")
            pair.office.table.spoil(pair.log[-1].header, error, OTHER)
            assert (there.receiving.inbox.expected, there.error) == (heard, None)
            assert pair.office.counters["other_key"] >= 2
            pair.office.peer_key = key_of(HOME)
        await pair.wind_down()


async def test_acknowledgements_under_another_key_acknowledge_nothing() -> None:
    async with Pair() as pair:
        pair.office.handlers["it"] = wait_for_more
        async with pair.home.table.open(OFFICE, "it") as ex:
            await pair.settle()
            await ex.send(b"more")
            end = pair.home.end_of(ex)
            pair.home.peer_key = OTHER
            before = end.sending.outbox.acked
            await pair.pass_time(0.1)
            assert end.sending.outbox.acked == before
            pair.home.peer_key = key_of(OFFICE)
        await pair.wind_down()


async def test_an_opening_frame_goes_to_no_other_key_although_the_run_has_the_same_word() -> None:
    async with Pair() as pair:
        pair.drop = lambda _: True
        async with pair.home.table.open(OFFICE, "it") as ex:
            end = pair.home.end_of(ex)
            assert pair.home.table.undeliverable(OFFICE, ex.id, re=False, seq=0, reason="no_route")
            pair.home.peer_key = OTHER
            sent = len(pair.log)
            end.resume(again=True)
            with pytest.raises(PeerLost):
                await ex.receive()
            assert len(pair.log) == sent


@pytest.mark.parametrize("now", [OTHER, None])
async def test_exchanges_under_another_key_than_the_names_end(now: bytes | None) -> None:
    async with Pair() as pair:
        pair.office.handlers["it"] = wait_for_more
        async with pair.home.table.open(OFFICE, "it") as ex:
            await pair.settle()
            for side, peer in ((pair.home, OFFICE), (pair.office, HOME)):
                side.table.keep_key(peer, key_of(peer))
                assert side.table.live
                side.table.keep_key(peer, now)
                assert not side.table.live
            await pair.settle()
            with pytest.raises(PeerLost, match="is no longer known by that key"):
                await ex.receive()


async def test_a_run_with_a_copied_word_loses_what_was_open_under_the_other_key() -> None:
    async with Pair() as pair:
        pair.office.handlers["it"] = wait_for_more
        async with pair.home.table.open(OFFICE, "it"):
            await pair.settle()
            pair.office.table.lose(HOME, pair.home.instance, key_of(HOME), "restarted")
            assert pair.office.table.live
            pair.office.table.lose(HOME, pair.home.instance, OTHER, "restarted")
            assert not pair.office.table.live
