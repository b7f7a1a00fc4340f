"""Nothing is lost when edits, crashes and failures come between the steps of a replacement."""

from __future__ import annotations

import errno
import itertools
import random
from typing import TYPE_CHECKING

import pytest

from clawmatrix_knowledge.files.memory import Fault, MemoryFiles, PowerLost
from clawmatrix_knowledge.files.scanning import scan
from clawmatrix_knowledge.files.traits import Unsupported
from clawmatrix_knowledge.files.tree import Placing, Tree, place_key
from tests.plugins.knowledge.files.conftest import tokens
from tests.plugins.knowledge.files.helpers import content, temporary, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_knowledge.files.port import Names, Stat

pytestmark = [pytest.mark.anyio]

WAYS = pytest.mark.parametrize("exchanges", [True, False], ids=["exchange", "link"])


def memory(*, exchanges: bool = True, links: bool = True, ignores: bool = False) -> MemoryFiles:
    return MemoryFiles(
        clock=itertools.count(10**18, 1000).__next__,
        exchanges=exchanges,
        links=links,
        ignores_case=ignores,
        ignores_form=ignores,
    )


async def opened(files: MemoryFiles) -> Tree:
    return await Tree.open(files, tokens())


def seen(files: MemoryFiles, path: str) -> Stat:
    found = files.stat(tuple(path.split("/")))
    assert found is not None
    return found


def between(files: MemoryFiles, does: str, act: Callable[[], None]) -> None:
    """Let another program act right before a step, the first time."""
    acted: list[str] = []

    def watch(what: str, names: Names) -> None:
        if what == does and not acted:
            acted.append(what)
            act()

    files.watch = watch


def everything(files: MemoryFiles) -> set[bytes]:
    """Return the contents of all files, wherever they are."""
    return {node.data for node in files.disk.nodes() if node.kind == "file"}


async def test_an_edit_in_between_is_brought_out_and_kept() -> None:
    files = memory()
    tree = await opened(files)
    write(files, "a.md", b"old")
    expected = seen(files, "a.md")
    between(files, "exchange", lambda: write(files, "a.md", b"edited"))
    put = await tree.put("a.md", b"new", expected)
    assert put.done
    assert put.aside is not None
    assert not put.aside.expected
    assert content(files, "/".join(put.aside.names)) == b"edited"
    assert content(files, "a.md") == b"new"


async def test_an_edit_in_between_stops_a_replacement_by_links() -> None:
    files = memory(exchanges=False)
    tree = await opened(files)
    write(files, "a.md", b"old")
    expected = seen(files, "a.md")
    between(files, "link", lambda: write(files, "a.md", b"edited"))
    put = await tree.put("a.md", b"new", expected)
    assert (put.done, put.aside, put.stat) == (False, None, seen(files, "a.md"))
    assert content(files, "a.md") == b"edited"
    assert temporary(tree) == []


@WAYS
async def test_a_file_that_comes_in_between_stays(exchanges: bool) -> None:
    files = memory(exchanges=exchanges)
    tree = await opened(files)
    between(files, "rename_new", lambda: write(files, "a.md", b"mine"))
    put = await tree.put("a.md", b"new", None)
    assert not put.done
    assert content(files, "a.md") == b"mine"
    assert temporary(tree) == []


async def test_a_folder_that_comes_in_between_is_put_back() -> None:
    files = memory()
    tree = await opened(files)
    write(files, "a.md", b"old")
    expected = seen(files, "a.md")

    def make_folder() -> None:
        files.unlink(("a.md",))
        write(files, "a.md/deep.md", b"mine")

    between(files, "exchange", make_folder)
    put = await tree.put("a.md", b"new", expected)
    assert not put.done
    assert put.stat is not None
    assert put.stat.kind == "folder"
    assert content(files, "a.md/deep.md") == b"mine"
    assert temporary(tree) == []


async def test_an_edit_in_between_stops_a_removal() -> None:
    files = memory()
    tree = await opened(files)
    write(files, "deep/a.md", b"old")
    expected = seen(files, "deep/a.md")

    between(files, "rename_new", lambda: write(files, "deep/a.md", b"edited"))
    put = await tree.remove("deep/a.md", expected)
    assert (put.done, put.aside) == (False, None)
    assert content(files, "deep/a.md") == b"edited"
    assert put.stat == seen(files, "deep/a.md")


async def test_an_edit_in_between_is_kept_where_its_place_is_taken_again() -> None:
    files = memory()
    tree = await opened(files)
    write(files, "a.md", b"old")
    expected = seen(files, "a.md")
    renames = itertools.count()

    def edit(what: str, names: Names) -> None:
        if what == "rename_new":
            write(files, "a.md", b"edited" if next(renames) == 0 else b"again")

    files.watch = edit
    put = await tree.remove("a.md", expected)
    assert not put.done
    assert put.aside is not None
    assert not put.aside.expected
    assert content(files, "/".join(put.aside.names)) == b"edited"
    assert content(files, "a.md") == b"again"


@WAYS
async def test_power_may_go_at_every_step(exchanges: bool) -> None:
    """After it the old or the new bytes are at the path, whole, and the old ones are not lost."""
    chance = random.Random(7)
    steps, crashes = 0, 0
    while True:
        files = memory(exchanges=exchanges)
        tree = await opened(files)
        write(files, "deep/a.md", b"old")
        write(files, "gone/b.md", b"other")
        files.disk.sync_all()
        files.crash_at = files.steps + steps + 1
        first, second = seen(files, "deep/a.md"), seen(files, "gone/b.md")
        try:
            puts = await tree.put_many(
                [Placing("deep/a.md", b"new", first), Placing("new/c.md", b"third", None)]
            )
            put = await tree.remove("gone/b.md", second)
        except PowerLost:
            crashes += 1
            files.crash(lambda: chance.random() < 0.5)
            assert content(files, "deep/a.md") in (b"old", b"new")
            assert {b"old", b"other"} <= everything(files)
            there = files.list(())
            if any(entry.name == "new" for entry in there) and files.list(("new",)):
                assert content(files, "new/c.md") == b"third"
            again = await opened(files)
            keys = {left.key for left in await again.leftovers()}
            assert keys <= {place_key("deep/a.md"), place_key("gone/b.md")}
            steps += 1
            continue
        files.crash()
        assert [one.done for one in (*puts, put)] == [True] * 3
        assert (content(files, "deep/a.md"), content(files, "new/c.md")) == (b"new", b"third")
        assert files.stat(("gone",)) is None
        assert everything(files) >= {b"old", b"other"}
        break
    assert crashes > 15


@pytest.mark.parametrize(
    "does", ["stat", "exchange", "link", "rename", "rename_new", "open", "sync"]
)
@WAYS
async def test_whatever_fails_nothing_is_lost(exchanges: bool, does: str) -> None:
    for skipped in range(12):
        files = memory(exchanges=exchanges)
        tree = await opened(files)
        write(files, "a.md", b"old")
        expected = seen(files, "a.md")
        calls = itertools.count()

        def fail(what: str, names: Names) -> None:
            if what == does and next(calls) == skipped:  # noqa: B023
                raise OSError(errno.EIO, "Input/output error")

        if does == "stat":
            files.faults.append(Fault(errno.EIO, ("a.md",), does))
        files.watch = fail
        put = await tree.put("a.md", b"new", expected)
        files.faults.clear()
        files.watch = None
        assert b"old" in everything(files)
        assert content(files, "a.md") == (b"new" if put.done else b"old")
        assert put.done or put.problem is not None


@WAYS
async def test_a_full_disk_is_told_and_leaves_nothing_half(exchanges: bool) -> None:
    files = memory(exchanges=exchanges)
    tree = await opened(files)
    write(files, "a.md", b"old")
    files.capacity = 50
    placings = [Placing("a.md", b"x" * 100, seen(files, "a.md")), Placing("b.md", b"small", None)]
    large, small = await tree.put_many(placings)
    assert large.problem is not None
    assert large.problem.kind == "full"
    assert small.done
    assert content(files, "a.md") == b"old"
    assert temporary(tree) == []
    files.capacity = None
    assert (await tree.put_many(placings))[0].done


async def test_a_folder_that_cannot_be_put_down_means_not_done() -> None:
    files = memory()
    tree = await opened(files)
    files.faults.append(Fault(errno.EIO, (), "sync_folder"))
    put = await tree.put("a.md", b"new", None)
    assert not put.done
    assert put.problem is not None
    assert put.problem.kind == "failed"


@WAYS
async def test_another_file_system_inside_is_written_by_its_own_folder(exchanges: bool) -> None:
    files = memory(exchanges=exchanges)
    tree = await opened(files)
    write(files, "disk/deep/a.md", b"old")
    write(files, "disk/deep/b.md", b"gone")
    files.mount(("disk",))
    staged = await tree.stage()
    await staged.write(b"x" * 3_000_000)
    assert (await tree.put("disk/new/c.md", staged, None)).done
    assert content(files, "disk/new/c.md") == b"x" * 3_000_000
    assert [entry.name for entry in files.list(("disk", "new"))] == ["c.md"]
    expected = seen(files, "disk/deep/a.md")
    put = await tree.put("disk/deep/a.md", b"new", expected, executable=True, mtime=5)
    removed = await tree.remove("disk/deep/b.md", seen(files, "disk/deep/b.md"))
    assert put.done
    assert put.stat == seen(files, "disk/deep/a.md")
    assert put.stat is not None
    assert (put.stat.executable, put.stat.mtime) == (True, 5)
    assert put.aside is not None
    assert removed.aside is not None
    assert put.aside.names[:4] == ("disk", "deep", ".clawmatrix", "tmp")
    assert content(files, "/".join(put.aside.names)) == b"old"
    found = await scan(tree, {})
    assert set(found.changed) == {"disk/deep/a.md", "disk/new/c.md"}
    left = await (await opened(files)).leftovers(found.strays)
    assert {one.key for one in left} == {place_key("disk/deep/a.md"), place_key("disk/deep/b.md")}
    for one in left:
        await tree.discard(one)
    assert [entry.name for entry in files.list(("disk", "deep"))] == ["a.md"]
    assert temporary(tree) == []


async def test_a_file_system_inside_that_cannot_exchange_is_written_by_links() -> None:
    files = memory()
    tree = await opened(files)
    write(files, "disk/a.md", b"old")
    files.mount(("disk",))
    files.faults.append(Fault(errno.EINVAL, ("disk",), "exchange"))
    put = await tree.put("disk/a.md", b"new", seen(files, "disk/a.md"))
    assert put.done
    assert put.aside is not None
    assert content(files, "/".join(put.aside.names)) == b"old"
    await tree.discard(put.aside)
    assert [entry.name for entry in files.list(("disk",))] == ["a.md"]


async def test_a_full_file_system_inside_is_told() -> None:
    files = memory()
    tree = await opened(files)
    write(files, "disk/a.md", b"old")
    files.mount(("disk",))
    files.faults.append(Fault(errno.ENOSPC, ("disk",), "write"))
    for path, expected in (("disk/a.md", seen(files, "disk/a.md")), ("disk/b.md", None)):
        put = await tree.put(path, b"new", expected)
        assert put.problem is not None
        assert put.problem.kind == "full"
    assert content(files, "disk/a.md") == b"old"
    assert [entry.name for entry in files.list(("disk",))] == ["a.md"]
    assert temporary(tree) == []


async def test_where_case_does_not_count_a_clash_is_told_and_nothing_replaced() -> None:
    files = memory(ignores=True)
    tree = await opened(files)
    write(files, "foo.md", b"old")
    put = await tree.put("FOO.md", b"new", None)
    assert put.problem is not None
    assert put.problem.kind == "clash"
    removed = await tree.put("Foo.md/deep.md", b"new", None)
    assert removed.problem is not None
    assert content(files, "foo.md") == b"old"
    assert (await tree.remove("foo.md", seen(files, "foo.md"))).done
    assert (await tree.put("FOO.md", b"new", None)).done
    assert [entry.name for entry in files.list(())] == [".clawmatrix", "FOO.md"]


async def test_a_name_that_the_file_system_refuses_is_told() -> None:
    files = memory()
    tree = await opened(files)
    files.faults.append(Fault(errno.EILSEQ, ("a.md",), "rename_new"))
    put = await tree.put("a.md", b"new", None)
    assert put.problem is not None
    assert put.problem.kind == "name"
    assert temporary(tree) == []


async def test_a_file_system_that_can_do_neither_is_refused() -> None:
    with pytest.raises(Unsupported, match="neither exchange"):
        await opened(memory(exchanges=False, links=False))
    files = memory()
    files.faults.append(Fault(errno.EROFS, (".clawmatrix",)))
    with pytest.raises(OSError, match="Read-only"):
        await opened(files)


async def test_a_file_of_the_own_folders_name_is_refused() -> None:
    files = memory()
    write(files, ".clawmatrix", b"x")
    with pytest.raises(OSError, match="directory"):
        await opened(files)
