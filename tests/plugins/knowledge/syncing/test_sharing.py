"""Sharing an index: who may, how it stays the same at both ends, and what ends it."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core import ExchangeFailure, Lane
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_knowledge.frame_types import SYNC
from clawmatrix_knowledge.syncing.wire import MESSAGE, BadMessage, Numbers, receive_message
from tests.plugins.knowledge.index.helpers import version
from tests.plugins.knowledge.syncing.nodes import Sharer, Space, sharing_nodes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from clawmatrix_core import JSON
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]

BOMB = zlib.compress(bytes(40 * 1024**2), 9)
NONSENSE = zlib.compress(b"abcd")


def are_equal(*spaces: Space) -> bool:
    return len({tuple(sorted(one.index.heads)) for one in spaces}) == 1


async def test_what_one_records_is_at_the_other_and_told_once(node_factory: NodeFactory) -> None:
    async with sharing_nodes(node_factory, "home", "office") as nodes:
        home, office = nodes["home"], nodes["office"]
        here = await home.share("office")
        await here.index.record([version("before.md", "1")])
        there = await office.share("home")
        await wait_until(lambda: len(there.got) == 1)
        await home.record(here, version("a.md", "1"), version("b.md", "1"))
        await office.record(there, version("c.md", "1"))
        await wait_until(lambda: are_equal(here, there) and len(here.got) == 1)
        assert sorted(one.path for one in there.got) == ["a.md", "b.md", "before.md"]
        assert home.states() == {"office": "open"}
        assert office.states() == {"home": "open"}
        assert ("opened", "notes", None) in home.notebook.told()
        assert ("opened", "notes", None) in office.notebook.told()


async def test_three_nodes_of_which_two_share_through_the_third(node_factory: NodeFactory) -> None:
    async with sharing_nodes(node_factory, "a", "b", "c") as nodes:
        middle = await nodes["b"].share("a", "c")
        ends = [await nodes[name].share("b") for name in ("a", "c")]
        rng = random.Random(1)
        for number in range(30):
            who = rng.choice(["a", "b", "c"])
            space = {"a": ends[0], "b": middle, "c": ends[1]}[who]
            known = [*space.index.graph]
            base = [rng.choice(known)] if known and rng.random() < 0.6 else []
            path = base[0].path if base else f"{number}.md"
            await nodes[who].record(space, version(path, f"{number}", *base))
        await wait_until(lambda: are_equal(middle, *ends))
        assert {len(one.index.graph) for one in (middle, *ends)} == {30}


async def test_what_a_peer_brings_goes_on_to_the_others(node_factory: NodeFactory) -> None:
    async with sharing_nodes(node_factory, "a", "b", "c") as nodes:
        await nodes["b"].share("a", "c")
        ends = [await nodes[name].share("b") for name in ("a", "c")]
        await wait_until(lambda: nodes["b"].states() == {"a": "open", "c": "open"})
        for number in range(5):
            await nodes["a"].record(ends[0], version(f"{number}.md", "1"))
            await wait_until(lambda: are_equal(*ends))


async def test_a_share_that_ends_leaves_nothing_in_the_index(node_factory: NodeFactory) -> None:
    async with sharing_nodes(node_factory, "home", "office") as nodes:
        here = await nodes["home"].share("office")
        open_now = set[str]()
        opens, closes = here.index.open_share, here.index.close_share

        async def counted(share: str) -> None:
            open_now.add(share)
            await opens(share)

        async def uncounted(share: str) -> None:
            open_now.discard(share)
            await closes(share)

        here.index.open_share = counted  # type: ignore[method-assign]
        here.index.close_share = uncounted  # type: ignore[method-assign]
        await nodes["office"].share("home")
        await wait_until(lambda: len(open_now) == 1)
        nodes["office"].deny("home")
        await wait_until(lambda: not open_now)


async def ask(sharer: Sharer, peer: str, workspace: str, **numbers: int) -> tuple[str, str]:
    """Return how an opening is answered."""
    request = {"workspace": workspace, "format": 1, "rules": 1, **numbers}
    try:
        async with sharer.node.exchange(peer, SYNC, request, lane=Lane.BULK) as ex:
            await ex.receive()
    except ExchangeFailure as error:
        return error.code, str(error)
    return "", "it is answered"


async def test_who_is_not_named_or_not_granted_gets_the_answer_of_a_name_that_is_not_there(
    node_factory: NodeFactory,
) -> None:
    async with sharing_nodes(node_factory, "home", "office", "shop") as nodes:
        home, office, shop = nodes["home"], nodes["office"], nodes["shop"]
        await home.share("office")
        home.allow("shop")
        home.deny("office")
        home.allow("office", name="other")
        answers = {
            await ask(shop, "home", "notes"),  # granted and not named
            await ask(office, "home", "notes"),  # named and not granted
            await ask(office, "home", "other"),  # granted, and there is none
            await ask(office, "home", "../" * 20),
            await ask(shop, "home", ""),
        }
        assert [code for code, _ in answers] == ["not_allowed"]
        assert home.notebook.told("opened") == []
        home.allow("office")
        assert (await ask(office, "home", "notes"))[0] in ("", "busy")


async def test_whoever_has_the_secret_may_where_anybody_is_named(node_factory: NodeFactory) -> None:
    async with sharing_nodes(node_factory, "home", "office") as nodes:
        here = await nodes["home"].share("*")
        nodes["home"].allow("office")
        there = await nodes["office"].share("home")
        await nodes["office"].record(there, version("a.md", "1"))
        await wait_until(lambda: len(here.got) == 1)


@pytest.mark.parametrize("revokes", ["home", "office"])
async def test_a_grant_that_goes_ends_the_share_within_a_second(
    node_factory: NodeFactory, revokes: str
) -> None:
    async with sharing_nodes(node_factory, "home", "office") as nodes:
        here, there = await nodes["home"].share("office"), await nodes["office"].share("home")
        await wait_until(lambda: nodes["home"].states() == {"office": "open"})
        other = {"home": "office", "office": "home"}[revokes]
        with anyio.fail_after(1):
            nodes[revokes].deny(other)
            await wait_until(lambda: "open" not in nodes["home"].states().values())
            await wait_until(lambda: "open" not in nodes["office"].states().values())
        await nodes["home"].record(here, version("a.md", "1"))
        nodes[revokes].allow(other)
        await wait_until(lambda: are_equal(here, there))


async def test_a_peer_that_is_no_longer_named_shares_no_more(node_factory: NodeFactory) -> None:
    async with sharing_nodes(node_factory, "home", "office") as nodes:
        here, there = await nodes["home"].share("office"), await nodes["office"].share("home")
        await wait_until(lambda: nodes["home"].states() == {"office": "open"})
        here.peers = []
        nodes["home"].sharing.look()
        await wait_until(lambda: nodes["office"].states() != {"home": "open"})
        assert nodes["home"].states() == {}
        here.peers = ["office"]
        nodes["home"].sharing.look()
        await nodes["home"].record(here, version("a.md", "1"))
        await wait_until(lambda: are_equal(here, there))
        nodes["home"].sharing.remove("notes")
        assert (await ask(nodes["office"], "home", "notes"))[0] == "not_allowed"


async def test_other_numbers_make_the_share_wait_and_accuse_nobody(
    node_factory: NodeFactory,
) -> None:
    later = Sharer(numbers=Numbers(1, 2))
    async with sharing_nodes(node_factory, "attic", "home", "office", office=later) as nodes:
        await nodes["home"].share("office", "attic")
        await nodes["office"].share("home")
        home = nodes["home"].sharing
        await wait_until(lambda: "one release" in home.status("notes")[1].why)
        assert nodes["home"].stops.all() == nodes["office"].stops.all() == []
        attic = nodes["attic"]
        assert (await ask(attic, "home", "notes", rules=2))[0] == "other_format"
        assert (await ask(attic, "home", "notes", format=2))[0] == "other_format"


BAD: dict[str, tuple[list[JSON], str]] = {
    "no head": ([["x"]], "begins no message"),
    "bytes first": ([b"x"], "begins no message"),
    "not compressed": ([{"message": 3, "size": 3}, b"abc"], "does not inflate"),
    "too large": ([{"message": 10, "size": MESSAGE + 1}], "is the most"),
    "nothing": ([{"message": 0, "size": 0}], "is the most"),
    "a bomb": ([{"message": len(BOMB), "size": 9}, BOMB], "more bytes than its head says"),
    "less": ([{"message": len(NONSENSE), "size": 9}, NONSENSE], "another size"),
    "more": ([{"message": len(NONSENSE), "size": 4}, NONSENSE + b"x"], "other bytes"),
    "two": ([{"message": 2 * len(NONSENSE), "size": 8}, 2 * NONSENSE], "another size"),
    "no message": ([{"message": len(NONSENSE), "size": 4}, NONSENSE], "not a sync message"),
}


@pytest.mark.bound("clawmatrix_knowledge.syncing.wire.MESSAGE")
@pytest.mark.parametrize(("payloads", "why"), BAD.values(), ids=BAD.keys())
async def test_a_message_that_does_not_fit_stops_the_share_until_a_person_resumes_it(
    node_factory: NodeFactory, payloads: list[JSON], why: str
) -> None:
    async with sharing_nodes(node_factory, "home", "attic") as nodes:
        home, attic = nodes["home"], nodes["attic"]
        here = await home.share("attic")
        request = {"workspace": "notes", "format": 1, "rules": 1}
        async with attic.node.exchange("home", SYNC, request, lane=Lane.BULK) as ex:
            await ex.receive()
            for payload in payloads:
                await ex.send(payload)
            with pytest.raises(ExchangeFailure, match="does not fit"):
                async for _ in ex:
                    pass
        assert home.states() == {"attic": "stopped"}
        assert why in home.sharing.status("notes")[0].why
        assert (await ask(attic, "home", "notes"))[0] == "stopped"
        assert b'"peer":"attic"' in home.stored
        there = await attic.share("home")
        await attic.record(there, version("a.md", "1"))
        assert here.got == []
        assert await home.sharing.resume("notes", "attic")
        await wait_until(lambda: len(here.got) == 1)


async def test_a_bomb_takes_no_memory() -> None:
    async def payloads() -> AsyncGenerator[JSON, None]:
        yield {"message": len(BOMB), "size": 9}
        yield BOMB

    tracemalloc.start()
    try:
        async with aclosing(payloads()) as told:
            with pytest.raises(BadMessage):
                await receive_message(told)
        assert tracemalloc.get_traced_memory()[1] < 1024**2
    finally:
        tracemalloc.stop()


async def test_a_stop_outlives_a_restart(node_factory: NodeFactory) -> None:
    before = b'[{"workspace":"notes","peer":"office","key":"","why":"it lied","time":1}]'
    async with sharing_nodes(node_factory, "home", "office", home=Sharer(before)) as nodes:
        await nodes["home"].share("office")
        await nodes["office"].share("home")
        await wait_until(lambda: nodes["home"].states() == {"office": "stopped"})
        assert nodes["home"].sharing.status("notes")[0].why == "it lied"


async def test_an_index_that_begins_anew_opens_the_share_again(node_factory: NodeFactory) -> None:
    async with sharing_nodes(node_factory, "home", "office") as nodes:
        here, there = await nodes["home"].share("office"), await nodes["office"].share("home")
        await nodes["home"].record(here, version("a.md", "1"))
        await wait_until(lambda: are_equal(here, there))
        await here.index.open()  # as after a kill of its process
        await nodes["home"].record(here, version("b.md", "1"))
        await wait_until(lambda: are_equal(here, there))
        assert nodes["home"].stops.all() == []


@pytest.mark.faults_expected
async def test_what_cannot_be_written_down_is_not_shared(node_factory: NodeFactory) -> None:
    home = Sharer()
    home.notebook.broken = {"opened"}
    async with sharing_nodes(node_factory, "home", "office", home=home) as nodes:
        here, there = await home.share("office"), await nodes["office"].share("home")
        await home.record(here, version("a.md", "1"))
        codes = {(await ask(nodes["office"], "home", "notes"))[0] for _ in range(2)}
        assert codes <= {"", "busy", "not_audited"}
        assert there.got == []
        assert home.states() != {"office": "open"}
