"""Files are read whole, and replaced so that no edit is lost: on a disk and in memory alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_knowledge.files.locating import Hindered
from clawmatrix_knowledge.files.tree import Changed, Placing, Tree, place_key
from tests.plugins.knowledge.files.helpers import content, temporary, write

if TYPE_CHECKING:
    from clawmatrix_knowledge.files.port import Files, Stat

pytestmark = [pytest.mark.anyio]


async def seen(tree: Tree, path: str) -> Stat:
    found = await tree.stat(path)
    assert found is not None
    return found


async def read(tree: Tree, path: str) -> bytes:
    return b"".join([part async for part in tree.read(path)])


async def test_the_own_folder_is_private_and_left_out_of_git(tree: Tree) -> None:
    folder = tree.files.stat((".clawmatrix",))
    assert folder is not None
    assert folder.mode == 0o700
    assert content(tree.files, ".clawmatrix/.gitignore") == b"*\n"
    assert temporary(tree) == []


async def test_an_own_folder_that_was_open_to_others_is_closed(files: Files) -> None:
    files.make_folder((".clawmatrix",), 0o755)
    await Tree.open(files)
    folder = files.stat((".clawmatrix",))
    assert folder is not None
    assert folder.mode == 0o700


async def test_bits_that_lend_rights_do_not_pass_to_new_bytes(tree: Tree) -> None:
    write(tree.files, "a", b"old")
    with tree.files.open(("a",), "write") as handle:
        handle.set(0o6750, None)
    put = await tree.put("a", b"new", await seen(tree, "a"), executable=True)
    assert put.stat is not None
    assert put.stat.mode == 0o750


async def test_a_new_file_comes_with_its_folders(tree: Tree) -> None:
    put = await tree.put("notes/deep/a.md", b"hello", None, mtime=123456789000)
    assert put.done
    assert put.stat == await tree.stat("notes/deep/a.md")
    assert put.stat is not None
    assert (put.stat.size, put.stat.mtime, put.stat.executable) == (5, 123456789000, False)
    assert await read(tree, "notes/deep/a.md") == b"hello"
    assert temporary(tree) == []


async def test_a_file_that_is_expected_is_replaced_and_kept(tree: Tree) -> None:
    write(tree.files, "a.md", b"old")
    expected = await seen(tree, "a.md")
    put = await tree.put("a.md", b"new", expected, executable=True)
    assert put.done
    assert put.stat is not None
    assert put.stat.executable
    assert put.stat == await tree.stat("a.md")
    assert put.aside is not None
    assert put.aside.expected
    assert put.aside.stat.inode == expected.inode
    assert content(tree.files, "/".join(put.aside.names)) == b"old"
    assert content(tree.files, "a.md") == b"new"


async def test_what_is_not_expected_stays(tree: Tree) -> None:
    write(tree.files, "a.md", b"old")
    expected = await seen(tree, "a.md")
    write(tree.files, "a.md", b"edited")
    for was in (expected, None):
        put = await tree.put("a.md", b"new", was)
        assert not put.done
        assert put.problem is None
        assert put.stat == await tree.stat("a.md")
    gone = await tree.put("b.md", b"new", expected)
    assert (gone.done, gone.stat) == (False, None)
    assert content(tree.files, "a.md") == b"edited"
    assert temporary(tree) == []


async def test_a_removed_file_is_kept_and_its_empty_folders_go(tree: Tree) -> None:
    write(tree.files, "one/two/a.md", b"old")
    write(tree.files, "one/b.md", b"stays")
    put = await tree.remove("one/two/a.md", await seen(tree, "one/two/a.md"))
    assert put.done
    assert put.aside is not None
    assert content(tree.files, "/".join(put.aside.names)) == b"old"
    assert await tree.stat("one/two") is None
    assert await tree.stat("one/b.md") is not None
    moved = await tree.move_to_history(put.aside, (".clawmatrix", "kept"))
    assert moved is not None
    assert moved.inode == put.aside.stat.inode


async def test_an_edited_file_is_not_removed(tree: Tree) -> None:
    write(tree.files, "a.md", b"old")
    expected = await seen(tree, "a.md")
    write(tree.files, "a.md", b"edited")
    put = await tree.remove("a.md", expected)
    assert (put.done, put.aside) == (False, None)
    assert content(tree.files, "a.md") == b"edited"
    assert (await tree.remove("never.md", expected)).done


async def test_a_folder_of_folders_makes_room_and_one_with_a_file_does_not(tree: Tree) -> None:
    tree.files.make_folder(("empty",))
    tree.files.make_folder(("empty", "deep"))
    write(tree.files, "full/deep/a.md", b"stays")
    first = await tree.put("empty", b"file", None)
    assert first.done
    put = await tree.put("full", b"file", None)
    assert not put.done
    assert put.stat is not None
    assert put.stat.kind == "folder"
    assert content(tree.files, "full/deep/a.md") == b"stays"


async def test_a_file_where_a_folder_has_to_be_is_named(tree: Tree) -> None:
    write(tree.files, "a", b"file")
    put = await tree.put("a/b/c.md", b"new", None)
    assert put.problem is not None
    assert put.problem.kind == "blocked"
    assert "a file above it, a" in put.problem.reason
    with pytest.raises(Hindered, match="a file above it, a"):
        await tree.stat("a/b")


@pytest.mark.parametrize(
    "path", ["../a", "/etc/passwd", "a/../../b", "a//b", "a\0b", "n" * 256, ".clawmatrix/a", ""]
)
async def test_paths_that_lead_elsewhere_are_refused(tree: Tree, path: str) -> None:
    put = await tree.put(path, b"new", None)
    assert put.problem is not None
    assert put.problem.kind == "name"
    assert temporary(tree) == []


async def test_a_staged_file_is_filled_bit_by_bit(tree: Tree) -> None:
    staged = await tree.stage()
    for part in (b"one ", b"two ", b"three"):
        await staged.write(part)
    assert (await tree.put("a.md", staged, None)).done
    assert content(tree.files, "a.md") == b"one two three"
    await tree.discard(staged)
    assert content(tree.files, "a.md") == b"one two three"


async def test_a_staged_file_that_was_not_put_can_be_put_again(tree: Tree) -> None:
    write(tree.files, "a.md", b"old")
    staged = await tree.stage()
    await staged.write(b"new")
    assert not (await tree.put("a.md", staged, None)).done
    assert (await tree.put("a.md", staged, await seen(tree, "a.md"))).done
    assert content(tree.files, "a.md") == b"new"


async def test_many_are_put_at_once_and_each_says_what_became_of_it(tree: Tree) -> None:
    write(tree.files, "f1/7.md", b"mine")
    placings = [Placing(f"f{n % 3}/{n}.md", b"%d" % n, None) for n in range(600)]
    puts = await tree.put_many(placings)
    assert [n for n, put in enumerate(puts) if not put.done] == [7]
    assert content(tree.files, "f2/599.md") == b"599"
    assert content(tree.files, "f1/7.md") == b"mine"
    assert temporary(tree) == []


async def test_a_file_that_changes_while_it_is_read_is_told(tree: Tree) -> None:
    write(tree.files, "a.bin", b"x" * 3_000_000)
    parts = tree.read("a.bin")
    assert len(await anext(parts)) == 2**20
    with tree.files.open(("a.bin",), "write") as handle:
        handle.write(3_000_000, b"more")
    with pytest.raises(Changed, match="changed"):
        async for _ in parts:
            pass
    with pytest.raises(Changed, match="not there"):
        await read(tree, "b.bin")
    expected = await seen(tree, "a.bin")
    write(tree.files, "a.bin", b"less")
    with pytest.raises(Changed, match="not what it was"):
        await anext(tree.read("a.bin", expected))


async def test_a_file_that_becomes_shorter_while_it_is_read_is_told(tree: Tree) -> None:
    write(tree.files, "a.bin", b"x" * 3_000_000)
    parts = tree.read("a.bin")
    await anext(parts)
    write(tree.files, "a.bin", b"short")
    with pytest.raises(Changed, match="shorter"):
        await anext(parts)


async def test_what_a_crash_left_is_given_back_or_removed(tree: Tree) -> None:
    write(tree.files, "a.md", b"old")
    put = await tree.put("a.md", b"new", await seen(tree, "a.md"))
    await tree.stage()
    again = await Tree.open(tree.files)
    (left,) = await again.leftovers()
    assert put.aside is not None
    assert left.names == put.aside.names
    assert left.key == place_key("a.md")
    assert len(temporary(tree)) == 1
    await again.discard(left)
    assert temporary(tree) == []


async def test_discarding_takes_nothing_of_the_workspace(tree: Tree) -> None:
    write(tree.files, "a.md", b"old")
    put = await tree.put("a.md", b"new", await seen(tree, "a.md"))
    assert put.aside is not None
    moved = type(put.aside)(("a.md",), put.aside.stat, True)
    with pytest.raises(ValueError, match="not below"):
        await tree.discard(moved)


async def test_a_put_goes_on_to_its_end_when_it_is_cancelled(tree: Tree) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tree.put_many, [Placing(f"{n}.md", b"x", None) for n in range(20)])
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            scope.cancel()
    listing = await tree.list()
    assert len(listing.entries) in (1, 21)


async def test_names_are_found_in_the_form_that_the_disk_has(files: Files, tree: Tree) -> None:
    written, path = "cafe\u0301.md", "caf\xe9.md"
    write(files, written, b"old")
    assert path in (await tree.list()).entries
    put = await tree.put(path, b"new", await seen(tree, path))
    assert put.done
    assert content(files, written) == b"new"
    assert len(names_of(files)) == 2


def names_of(files: Files) -> list[str]:
    return [entry.name for entry in files.list(())]
