"""The index: durable before anybody hears of it, and the same at both ends of a share."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import msgspec
import pytest

from clawmatrix_knowledge.files.keeping import FilesShelf
from clawmatrix_knowledge.files.real import RealFiles
from clawmatrix_knowledge.index.backend import InProcess
from clawmatrix_knowledge.index.changes import BASE
from clawmatrix_knowledge.index.handle import Handler
from clawmatrix_knowledge.index.index import Index, IndexBroken, Refused, ShareLost
from clawmatrix_knowledge.index.process import DocumentProcess, child_command
from clawmatrix_knowledge.index.store import LOG, SNAPSHOT, Store
from clawmatrix_knowledge.index.words import Saved
from tests.plugins.knowledge.index.helpers import MemoryShelf, version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clawmatrix_knowledge.index.store import Shelf
    from clawmatrix_knowledge.index.words import Reply, Request
    from clawmatrix_knowledge.versions import Version

pytestmark = [pytest.mark.anyio]


async def directly(function: Callable[[], object]) -> object:
    return function()


async def opened(shelf: Shelf) -> Index:
    """Return an index whose document is in this process."""
    backends = [InProcess(lambda: Handler().handle) for _ in range(2)]
    index = Index(backends[0], Store(shelf), backends[1], directly)
    await index.open()
    return index


async def speak(one: Index, other: Index, times: int = 40) -> None:
    """Carry messages between two indexes until neither has any."""
    for _ in range(times):
        quiet = True
        for sender, receiver in ((one, other), (other, one)):
            message = await sender.message_for("peer")
            if message is not None:
                quiet = False
                await receiver.take("peer", message)
        if quiet:
            return
    raise AssertionError("they never end")


async def shared(one: Index, other: Index) -> None:
    await one.open_share("peer")
    await other.open_share("peer")
    await speak(one, other)


def ids(index: Index) -> set[str]:
    return {one.id for one in index.graph}


async def test_what_is_recorded_is_there_after_a_restart() -> None:
    shelf = MemoryShelf()
    index = await opened(shelf)
    first = version("a.md", "1")
    await index.record([first, version("a.md", "2", first)])
    await index.record([first])
    again = await opened(shelf)
    assert (ids(again), again.heads) == (ids(index), index.heads)
    assert len(again.graph) == 2
    assert not again.told


async def test_two_nodes_that_write_apart_end_alike_whatever_is_lost_on_the_way() -> None:
    rng = random.Random(4)
    shelves = MemoryShelf(), MemoryShelf()
    nodes = [await opened(shelf) for shelf in shelves]
    for number in range(40):
        node = nodes[rng.randrange(2)]
        known: list[Version] = [*node.graph]
        base = [rng.choice(known)] if known and rng.random() < 0.6 else []
        path = base[0].path if base else f"{number}.md"
        await node.record([version(path, f"text {number}", *base)])
        if rng.random() < 0.2:
            at = rng.randrange(2)
            nodes[at] = await opened(shelves[at])
        if rng.random() < 0.3:
            await shared(*nodes)
    await shared(*nodes)
    assert ids(nodes[0]) == ids(nodes[1])
    assert sorted(nodes[0].heads) == sorted(nodes[1].heads)


async def test_what_cannot_be_written_is_told_to_nobody_and_recorded_later() -> None:
    shelf = MemoryShelf()
    index, other = await opened(shelf), await opened(MemoryShelf())
    shelf.fails = True
    with pytest.raises(IndexBroken, match="No space left"):
        await index.record([version("a.md", "1")])
    shelf.fails = False
    await shared(index, other)
    assert len(index.graph) == len(other.graph) == 0
    await index.record([version("a.md", "1")])
    await speak(index, other)
    assert len(other.graph) == 1


@pytest.mark.parametrize("takes", [False, True])
async def test_what_is_cancelled_on_its_way_to_the_disk_is_told_to_nobody_or_is_there(
    takes: bool,
) -> None:
    shelf, other = MemoryShelf(), await opened(MemoryShelf())
    backends = [InProcess(lambda: Handler().handle) for _ in range(2)]
    scope = anyio.CancelScope()

    async def just_then(function: Callable[[], object]) -> object:
        if message:
            scope.cancel()
            await anyio.lowlevel.checkpoint()
        return function()

    index, message = Index(backends[0], Store(shelf), backends[1], just_then), b""
    await index.open()
    await index.open_share("peer")
    await other.record([version("b.md", "1")])
    await other.open_share("peer")
    hello = await index.message_for("peer")
    assert hello is not None
    await other.take("peer", hello)
    message = await other.message_for("peer") or b""
    assert message
    with scope:
        await (index.take("peer", message) if takes else index.record([version("a.md", "1")]))
    await index.record([version("c.md", "1")])
    again = await opened(shelf)
    assert (ids(again), again.heads) == (ids(index), index.heads)
    assert not again.told


@pytest.mark.parametrize("cut", [1, 9, 30])
async def test_a_torn_end_of_the_log_is_left_out_and_told(cut: int) -> None:
    shelf = MemoryShelf()
    index = await opened(shelf)
    for number in range(3):
        await index.record([version(f"{number}.md", "1")])
    shelf.files[LOG] = shelf.files[LOG][:-cut]
    again = await opened(shelf)
    assert len(again.graph) == 2
    assert "not whole" in again.told[0]
    await again.record([version("3.md", "1")])
    assert len((await opened(shelf)).graph) == 3


async def test_a_snapshot_takes_the_place_of_the_log_and_a_damaged_one_is_kept_aside() -> None:
    shelf = MemoryShelf()
    index = await opened(shelf)
    for start in range(0, 9000, 500):
        await index.record([version(f"{start + n}.md", os.urandom(8).hex()) for n in range(500)])
    assert len(shelf.files[LOG]) < len(shelf.files[SNAPSHOT])
    assert ids(await opened(shelf)) == ids(index)
    shelf.files[SNAPSHOT] = shelf.files[SNAPSHOT][:-100]
    again = await opened(shelf)
    assert f"{SNAPSHOT}.damaged-1" in shelf.files
    assert "kept as" in " ".join(again.told)
    await shared(again, index)
    assert ids(again) >= ids(index)


async def test_a_disk_that_went_with_the_document_breaks_the_index_and_nothing_else() -> None:
    shelf = MemoryShelf()
    document = InProcess(lambda: Handler().handle)
    index = Index(document, Store(shelf), InProcess(lambda: Handler().handle), directly)
    await index.open()
    await index.open_share("peer")
    shelf.is_gone = True
    document._handle = lambda _: b""
    with pytest.raises(IndexBroken, match="another folder"):
        await index.close_share("peer")


class BadSaver(InProcess):
    """A document whose snapshots read, and have not all that they should."""

    async def ask(self, request: Request) -> Reply:
        reply = await super().ask(request)
        return msgspec.structs.replace(reply, document=BASE) if isinstance(reply, Saved) else reply


async def test_a_snapshot_that_does_not_read_as_it_should_replaces_nothing() -> None:
    shelf = MemoryShelf()
    bad, spare = BadSaver(lambda: Handler().handle), InProcess(lambda: Handler().handle)
    index = Index(bad, Store(shelf), spare, directly)
    await index.open()
    for start in range(0, 4000, 500):
        await index.record([version(f"{start + n}.md", os.urandom(8).hex()) for n in range(500)])
    assert SNAPSHOT not in shelf.files
    assert "does not read as it should" in index.told[0]
    assert ids(await opened(shelf)) == ids(index)


async def test_an_index_that_was_put_back_goes_on_with_another_history() -> None:
    shelf, other = MemoryShelf(), await opened(MemoryShelf())
    index = await opened(shelf)
    await index.record([version("a.md", "1")])
    earlier = dict(shelf.files)
    await index.record([version("b.md", "1")])
    await shared(index, other)
    shelf.files = earlier
    index = await opened(shelf)
    await index.record([version("c.md", "1")])
    await other.close_share("peer")
    await shared(index, other)
    assert ids(index) == ids(other)
    assert len(other.graph) == 3


async def test_a_message_that_does_not_fit_ends_the_share_and_nothing_else() -> None:
    index = await opened(MemoryShelf())
    await index.open_share("peer")
    for message in (b"", b"\x43", b"\x42\xff", os.urandom(50)):
        with pytest.raises(Refused):
            await index.take("peer", message)
    await index.record([version("a.md", "1")])
    with pytest.raises(ShareLost):
        await index.message_for("nobody")


async def test_the_document_lives_in_a_process_that_may_die(tmp_path: Path) -> None:
    processes = [DocumentProcess(child_command()) for _ in range(2)]
    index = Index(
        processes[0], Store(FilesShelf(RealFiles(tmp_path), ())), processes[1], _in_thread
    )
    await index.open()
    try:
        await index.record([version("a.md", "1")])
        await index.open_share("peer")
        assert await index.message_for("peer") is not None
        process = processes[0]._process
        assert process is not None
        process.kill()
        with pytest.raises(ShareLost):
            await index.message_for("peer")
        await index.record([version("b.md", "1")])
        assert len(index.graph) == 2
    finally:
        await index.close()
    assert (tmp_path / LOG).stat().st_mode & 0o777 == 0o600


async def test_a_request_that_takes_too_long_ends_the_process(tmp_path: Path) -> None:
    process = DocumentProcess(child_command(), limit=lambda size, known: 0.0)
    index = Index(process, Store(FilesShelf(RealFiles(tmp_path), ())), process, _in_thread)
    with pytest.raises(IndexBroken):
        await index.open()
    await index.close()
    assert "was stopped" in index.told[0]


async def _in_thread(function: Callable[[], object]) -> object:
    return await anyio.to_thread.run_sync(function)
