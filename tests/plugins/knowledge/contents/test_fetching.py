"""Fetching contents: all of them, from whoever has them, and nothing that was not checked."""

from __future__ import annotations

import hashlib
import itertools
import random
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import attrs
import pytest

from clawmatrix_core import ExchangeFailure, Lane
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_knowledge.contents.fetching import Fetcher
from clawmatrix_knowledge.contents.partial import PARTIAL, drop_partials
from clawmatrix_knowledge.contents.serving import FETCHES, LISTS, BlockLists, ContentServer
from clawmatrix_knowledge.contents.wire import BLOCK_COUNT
from clawmatrix_knowledge.files.memory import MemoryFiles
from clawmatrix_knowledge.files.placing import Staged
from clawmatrix_knowledge.files.traits import make_own_folder
from clawmatrix_knowledge.frame_types import BLOCKS, FETCH
from clawmatrix_knowledge.ids import BLOCK, content_id
from tests.plugins.knowledge.syncing.nodes import Sharer, Space, sharing_nodes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from clawmatrix_core import JSON, Exchange
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_knowledge.contents.fetching import Fetched
    from clawmatrix_knowledge.versions import ContentId

pytestmark = [pytest.mark.anyio]


@attrs.define
class Fetching:
    """Home, which fetches, and others that have contents."""

    nodes: dict[str, Sharer]
    spaces: dict[str, Space]
    files: MemoryFiles

    def fetcher(self, most: int = 2**40) -> Fetcher:
        sharing = self.nodes["home"].sharing
        return Fetcher(
            self.nodes["home"].node,
            "notes",
            self.files,
            lambda: sharing.sources("notes"),
            lambda source, why: sharing.blame("notes", source, why),
            most=most,
        )

    def give(self, name: str, *contents: bytes) -> dict[ContentId, int]:
        """Let a node have contents; return what to ask for."""
        made = {content_id(data): data for data in contents}
        self.spaces[name].contents |= made
        return {content: len(data) for content, data in made.items()}

    def read(self, fetched: Fetched) -> bytes:
        if isinstance(fetched.data, bytes):
            return fetched.data
        with self.files.open(fetched.data.names) as handle:
            return handle.read(0, handle.stat().size)

    def stopped(self) -> list[str]:
        return [one.peer for one in self.nodes["home"].stops.all()]


@asynccontextmanager
async def fetching(factory: NodeFactory, *others: str) -> AsyncIterator[Fetching]:
    async with sharing_nodes(factory, "home", *others) as nodes:
        spaces = {"home": await nodes["home"].share(*others)}
        for name in others:
            spaces[name] = await nodes[name].share("home")
        files = MemoryFiles(clock=itertools.count(10**18, 1000).__next__)
        make_own_folder(files)
        states = nodes["home"].states
        await wait_until(lambda: list(states().values()) == ["open"] * len(others))
        yield Fetching(nodes, spaces, files)


async def all_of(fetcher: Fetcher, wanted: dict[ContentId, int]) -> dict[ContentId, Fetched]:
    return {one.content: one async for one in fetcher.fetch(wanted)}


def some_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


async def test_many_small_contents_come_whole(node_factory: NodeFactory) -> None:
    async with fetching(node_factory, "office") as mesh:
        rng = random.Random(3)
        sizes = [0, 1, BLOCK, BLOCK - 1, *(rng.randrange(9000) for _ in range(1200))]
        wanted = mesh.give("office", *(rng.randbytes(size) for size in sizes))
        nowhere = content_id(b"that nobody has")
        found = await all_of(mesh.fetcher(), {**wanted, nowhere: 15})
        assert found.keys() == wanted.keys()
        have = mesh.spaces["office"].contents
        assert all(mesh.read(one) == have[content] for content, one in found.items())


async def test_more_than_one_answer_holds_is_asked_for_again(node_factory: NodeFactory) -> None:
    async with fetching(node_factory, "office") as mesh:
        wanted = mesh.give("office", *(some_bytes(BLOCK, seed) for seed in range(12)))
        untrue = dict.fromkeys(wanted, 1)  # sizes in versions are claims
        assert (await all_of(mesh.fetcher(), untrue)).keys() == wanted.keys()


async def test_what_one_peer_lacks_comes_from_another(node_factory: NodeFactory) -> None:
    async with fetching(node_factory, "attic", "office") as mesh:
        one = mesh.give("attic", b"one", some_bytes(3 * BLOCK, 1))
        other = mesh.give("office", b"other", some_bytes(2 * BLOCK + 1, 2))
        found = await all_of(mesh.fetcher(), {**one, **other})
        assert {mesh.read(got) for got in found.values()} == {
            *mesh.spaces["attic"].contents.values(),
            *mesh.spaces["office"].contents.values(),
        }
        assert {found[content].peer for content in one} == {"attic"}


@pytest.mark.parametrize("size", [BLOCK + 1, 2 * BLOCK, 5 * BLOCK + 7])
async def test_a_large_content_comes_as_a_file(node_factory: NodeFactory, size: int) -> None:
    async with fetching(node_factory, "office") as mesh:
        data = some_bytes(size)
        wanted = mesh.give("office", data)
        (fetched,) = (await all_of(mesh.fetcher(), wanted)).values()
        assert isinstance(fetched.data, Staged)
        assert mesh.read(fetched) == data
        mesh.files.unlink(fetched.data.names)
        drop_partials(mesh.files, wanted)
        assert mesh.files.list(PARTIAL) == []


async def test_a_fetch_that_broke_off_goes_on_where_it_was(node_factory: NodeFactory) -> None:
    async with fetching(node_factory, "attic", "office") as mesh:
        data = some_bytes(8 * BLOCK + 5)
        wanted = mesh.give("office", data)
        mesh.give("attic", data)
        breaking = Breaking(mesh.spaces["attic"], after=5)
        breaking_too = Breaking(mesh.spaces["office"], after=0)
        first = mesh.fetcher()
        assert await all_of(first, wanted) == {}
        assert first.bytes_in == 5 * BLOCK
        breaking.after = breaking_too.after = 100
        again = mesh.fetcher()
        (fetched,) = (await all_of(again, wanted)).values()
        assert mesh.read(fetched) == data
        assert again.bytes_in == 3 * BLOCK + 5
        assert mesh.stopped() == []


class Breaking:
    """Makes a workspace unreadable after some blocks, once its digests are known."""

    def __init__(self, space: Space, after: int) -> None:
        self.after, self._read, self._times = after, space.read, 0
        space.read = self.read  # type: ignore[method-assign]

    async def read(self, content: ContentId, offset: int = 0) -> AsyncGenerator[bytes, None]:
        self._times += 1
        given = 0
        async with aclosing(self._read(content, offset)) as parts:
            async for part in parts:
                if self._times > 1 and given >= self.after:
                    raise OSError("the disk went")
                given += 1
                yield part


async def test_blocks_that_changed_on_the_disk_meanwhile_count_as_missing(
    node_factory: NodeFactory,
) -> None:
    async with fetching(node_factory, "office") as mesh:
        data = some_bytes(4 * BLOCK)
        wanted = mesh.give("office", data)
        (fetched,) = (await all_of(mesh.fetcher(), wanted)).values()
        assert isinstance(fetched.data, Staged)
        with mesh.files.open(fetched.data.names, "write") as handle:
            handle.write(2 * BLOCK, b"not on the disk when the power went")
        again = mesh.fetcher()
        (fetched,) = (await all_of(again, wanted)).values()
        assert (mesh.read(fetched), again.bytes_in) == (data, BLOCK)


async def test_blocks_of_the_older_content_do_not_come_again(node_factory: NodeFactory) -> None:
    async with fetching(node_factory, "office") as mesh:
        old = some_bytes(6 * BLOCK + 9)
        new = b"x" * BLOCK + old[BLOCK : 5 * BLOCK] + b"y" + old[5 * BLOCK + 1 :]
        wanted = mesh.give("office", new)

        async def older() -> AsyncGenerator[bytes, None]:
            for at in range(0, len(old), 1000_000):
                yield old[at : at + 1000_000]

        fetcher = mesh.fetcher()
        found = [one async for one in fetcher.fetch(wanted, lambda _: older())]
        assert mesh.read(found[0]) == new
        assert fetcher.bytes_in == 2 * BLOCK


async def test_a_content_larger_than_what_is_taken_does_not_come(
    node_factory: NodeFactory,
) -> None:
    async with fetching(node_factory, "office") as mesh:
        wanted = mesh.give("office", some_bytes(3 * BLOCK))
        fetcher = mesh.fetcher(most=2 * BLOCK)
        assert await all_of(fetcher, dict.fromkeys(wanted, 1)) == {}
        assert "more than are fetched" in fetcher.told["office"]
        assert mesh.stopped() == []


def lies(mesh: Fetching, answer: Callable[[Exchange], object]) -> None:
    """Let office answer otherwise."""

    async def lie(ex: Exchange) -> None:
        async with mesh.nodes["office"].sharing.door.admitted(ex, "notes"):
            await answer(ex)  # type: ignore[misc]

    mesh.nodes["office"].server.answer = lie  # type: ignore[method-assign]


SMALL = content_id(b"right")
LARGE_SIZE = BLOCK + 100
LARGE_BYTES = some_bytes(LARGE_SIZE)
LARGE = content_id(LARGE_BYTES)
DIGESTS = [hashlib.sha256(LARGE_BYTES[at : at + BLOCK]).digest() for at in (0, BLOCK)]

LIES: dict[str, tuple[ContentId, list[tuple[JSON, bytes | None]]]] = {
    "wrong bytes": (SMALL, [({"sizes": [5]}, b"wrong")]),
    "too many": (SMALL, [({"sizes": [5, 5]}, b"rightright")]),
    "too large": (SMALL, [({"sizes": [2**30]}, None)]),
    "endless": (SMALL, [({"sizes": [5]}, b"right and on and on")]),
    "no head": (SMALL, [("sizes", None)]),
    "wrong list": (LARGE, [({"size": LARGE_SIZE}, b"x" * 64)]),
    "size of one block": (LARGE, [({"size": 5}, b"x" * 32)]),
    "wrong size": (
        LARGE,
        [
            ({"size": 2 * BLOCK}, b"".join(DIGESTS)),
            (LARGE_BYTES[:BLOCK], None),
            (LARGE_BYTES[BLOCK:] + bytes(BLOCK - 100), None),
        ],
    ),
    "wrong block": (LARGE, [({"size": LARGE_SIZE}, b"".join(DIGESTS)), (bytes(BLOCK), None)]),
    "too much": (LARGE, [({"size": LARGE_SIZE}, b"".join(DIGESTS) + b"x" * 32)]),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_a_peer_that_sends_wrong_bytes_is_named_and_not_asked_again(
    node_factory: NodeFactory, lie: tuple[ContentId, list[tuple[JSON, bytes | None]]]
) -> None:
    async with fetching(node_factory, "attic", "office") as mesh:
        content, payloads = lie

        async def answer(ex: Exchange) -> None:
            for payload, data in payloads:
                await ex.send(payload, data)

        lies(mesh, answer)
        fetcher = mesh.fetcher()
        assert await all_of(fetcher, {content: 5}) == {}
        assert mesh.stopped() == ["office"]
        assert fetcher.told["office"]
        assert mesh.nodes["home"].states()["office"] == "stopped"
        mesh.give("attic", b"right", LARGE_BYTES)
        (fetched,) = (await all_of(mesh.fetcher(), {content: 5})).values()
        assert content_id(mesh.read(fetched)) == content


@pytest.mark.bound("clawmatrix_knowledge.contents.wire.ASKED")
@pytest.mark.bound("clawmatrix_knowledge.contents.wire.RANGES")
async def test_requests_that_ask_for_too_much_are_refused(node_factory: NodeFactory) -> None:
    async with fetching(node_factory, "office") as mesh:
        mesh.give("office", LARGE_BYTES)
        ids = [content_id(str(number).encode()) for number in range(501)]
        many = {"workspace": "notes", "contents": ids}
        assert await code_of(mesh, FETCH, many) == "bad_request"
        large = {"workspace": "notes", "content": LARGE}
        for ranges in ([[0, 1]] * 65, [[1, 1], [0, 1]], [[0, 3]], [[2**53, 1]], [[0, 0]]):
            assert await code_of(mesh, BLOCKS, large, {"ranges": ranges}) == "bad_request"
        assert (
            await code_of(mesh, BLOCKS, {"workspace": "notes", "content": SMALL}) == "bad_request"
        )


async def test_contents_are_only_for_those_with_an_open_share(node_factory: NodeFactory) -> None:
    async with fetching(node_factory, "office") as mesh:
        mesh.give("office", b"right")
        ask = {"workspace": "notes", "contents": [SMALL]}
        assert await code_of(mesh, FETCH, ask) == ""
        assert await code_of(mesh, FETCH, {**ask, "workspace": "other"}) == "not_allowed"
        mesh.nodes["office"].deny("home")
        assert await code_of(mesh, FETCH, ask) == "not_allowed"
        assert await all_of(mesh.fetcher(), {SMALL: 5}) == {}
        mesh.spaces["office"].peers = []
        mesh.nodes["office"].allow("home")
        assert await code_of(mesh, FETCH, ask) == "not_allowed"


async def code_of(mesh: Fetching, type_: str, request: JSON, *more: JSON) -> str:
    """Return the code of the error that a request is answered with."""
    try:
        async with mesh.nodes["home"].node.exchange(
            "office", type_, request, complete=not more, lane=Lane.BULK
        ) as ex:
            for payload in more:
                await ex.finish(payload)
            async for _ in ex:
                pass
    except ExchangeFailure as error:
        return error.code
    return ""


@pytest.mark.bound("clawmatrix_knowledge.contents.wire.ANSWER")
async def test_a_peer_that_sends_more_than_an_answer_holds_is_named(
    node_factory: NodeFactory,
) -> None:
    async with fetching(node_factory, "office") as mesh:
        datas = [some_bytes(BLOCK, seed) for seed in range(12)]

        async def answer(ex: Exchange) -> None:
            for content in ex.request["contents"]:
                data = next(one for one in datas if content_id(one) == content)
                await ex.send({"sizes": [BLOCK]}, data)

        lies(mesh, answer)
        found = await all_of(mesh.fetcher(), {content_id(data): 1 for data in datas})
        assert len(found) == 9
        assert mesh.stopped() == ["office"]


@pytest.mark.bound("clawmatrix_knowledge.contents.wire.BLOCK_COUNT")
async def test_a_content_of_too_many_blocks_is_not_fetched(node_factory: NodeFactory) -> None:
    async with fetching(node_factory, "office") as mesh:

        async def answer(ex: Exchange) -> None:
            await ex.send({"size": BLOCK_COUNT * BLOCK + 1})
            await ex.receive()

        lies(mesh, answer)
        fetcher = mesh.fetcher()
        assert await all_of(fetcher, {LARGE: 5}) == {}
        assert "more than are fetched" in fetcher.told["office"]
        assert mesh.stopped() == []


@pytest.mark.bound("clawmatrix_knowledge.contents.serving.FETCHES")
async def test_one_peer_has_so_many_fetches_at_a_time(node_factory: NodeFactory) -> None:
    async with fetching(node_factory, "office") as mesh, AsyncExitStack() as stack:
        mesh.give("office", LARGE_BYTES)
        request = {"workspace": "notes", "content": LARGE}
        for _ in range(FETCHES):
            opened = mesh.nodes["home"].node.exchange("office", BLOCKS, request)
            await (await stack.enter_async_context(opened)).receive()
        assert await code_of(mesh, BLOCKS, request) == "busy"
        assert await code_of(mesh, FETCH, {"workspace": "notes", "contents": [SMALL]}) == "busy"
        await stack.aclose()
        with anyio.fail_after(5):
            while await code_of(mesh, BLOCKS, request, {"ranges": []}) == "busy":
                await anyio.lowlevel.checkpoint()


@pytest.mark.bound("clawmatrix_knowledge.contents.serving.ALL_FETCHES")
async def test_all_peers_have_so_many_fetches_at_a_time(node_factory: NodeFactory) -> None:
    async with fetching(node_factory, "office") as mesh:
        office = mesh.nodes["office"]
        office.server = ContentServer(office.sharing.door, most=1)
        mesh.give("office", LARGE_BYTES)
        request = {"workspace": "notes", "content": LARGE}
        async with mesh.nodes["home"].node.exchange("office", BLOCKS, request) as ex:
            await ex.receive()
            assert await code_of(mesh, BLOCKS, request) == "busy"


@pytest.mark.bound("clawmatrix_knowledge.contents.serving.LISTS")
def test_the_digests_that_were_not_used_for_longest_are_forgotten() -> None:
    lists = BlockLists()
    ids = [content_id(bytes([number])) for number in range(17)]
    for content in ids[:16]:
        lists.put(content, 5, [bytes(32)] * (LISTS // 16 // 32))
    assert lists.get(ids[0]) is not None
    lists.put(ids[16], 5, [bytes(32)])
    assert [content for content in ids if lists.get(content) is None] == [ids[1]]


async def test_a_peer_that_neither_reads_nor_asks_holds_no_place(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clawmatrix_knowledge.contents.serving._PATIENCE", 0.05)
    async with fetching(node_factory, "office") as mesh:
        mesh.give("office", LARGE_BYTES)
        request = {"workspace": "notes", "content": LARGE}
        async with mesh.nodes["home"].node.exchange("office", BLOCKS, request) as ex:
            await ex.receive()
            await ex.receive()  # the digests
            with pytest.raises(ExchangeFailure, match="does not go on"):
                await ex.receive()


@pytest.mark.parametrize("when", ["before", "after its digests were found"])
async def test_a_file_that_changes_while_it_is_sent_is_missing_and_nobody_is_to_blame(
    node_factory: NodeFactory, when: str
) -> None:
    async with fetching(node_factory, "office") as mesh:
        wanted = mesh.give("office", b"right", LARGE_BYTES)
        if when != "before":
            assert (await all_of(mesh.fetcher(), wanted)).keys() == wanted.keys()
            drop_partials(mesh.files, ())
        contents = mesh.spaces["office"].contents
        contents[SMALL], contents[LARGE] = b"other", bytes(LARGE_SIZE)
        fetcher = mesh.fetcher()
        assert await all_of(fetcher, wanted) == {}
        assert "changed while it was read" in fetcher.told["office"]
        assert mesh.stopped() == []


async def test_nothing_comes_before_the_share_is_open(node_factory: NodeFactory) -> None:
    async with sharing_nodes(node_factory, "home", "office") as nodes:
        space = await nodes["office"].share("home")
        space.contents[SMALL] = b"right"
        mesh = Fetching(nodes, {}, MemoryFiles())
        request = {"workspace": "notes", "contents": [SMALL]}
        assert await code_of(mesh, FETCH, request) == "not_open"
        await nodes["home"].share("office")
        await wait_until(lambda: nodes["office"].states() == {"home": "open"})
        assert await code_of(mesh, FETCH, request) == ""
