"""A file that does not rest is copied up to where two reads agree."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from clawmatrix_knowledge.files.measuring import SMALL, copy_start, measure, measure_large
from clawmatrix_knowledge.files.memory import Fault, MemoryFiles
from clawmatrix_knowledge.files.problems import Problem
from clawmatrix_knowledge.files.tree import Tree
from clawmatrix_knowledge.ids import BLOCK, ContentHasher, content_id
from tests.plugins.knowledge.files.conftest import tokens
from tests.plugins.knowledge.files.helpers import content, temporary, write

if TYPE_CHECKING:
    from clawmatrix_knowledge.files.port import Names

pytestmark = [pytest.mark.anyio]


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_an_id_does_not_depend_on_how_the_bytes_come(size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    whole = content_id(data)
    assert whole.startswith("b") == (size > BLOCK)
    for step in (BLOCK, 700_001):
        hasher = ContentHasher()
        for at in range(0, size, step):
            hasher.update(data[at : at + step])
        assert (hasher.digest(), hasher.size) == (whole, size)


def test_ids_are_those_that_others_compute() -> None:
    assert content_id(b"abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


async def test_the_whole_lines_of_a_growing_file_are_copied(tree: Tree) -> None:
    write(tree.files, "a.log", b"one\ntwo\nthr")
    copied = await copy_start(tree, "a.log")
    assert copied is not None
    staged, found = copied
    assert content(tree.files, "/".join(staged.names)) == b"one\ntwo\n"
    assert (found.content, found.text, found.stat.size) == (content_id(b"one\ntwo\n"), True, 8)
    await tree.discard(staged)


async def test_a_large_growing_file_is_copied(tree: Tree) -> None:
    data = b"0123456\n" * 300_000 + b"half"
    write(tree.files, "a.log", data)
    copied = await copy_start(tree, "a.log")
    assert copied is not None
    staged, found = copied
    assert found.content == content_id(data[:-4])
    assert content(tree.files, "/".join(staged.names)) == data[:-4]


async def test_a_file_that_is_rewritten_is_not_copied() -> None:
    files = MemoryFiles()
    tree = await Tree.open(files, tokens())
    write(files, "a.log", b"one\n")

    def rewrite(does: str, names: Names) -> None:
        if does == "write":
            write(files, "a.log", b"two\n")

    files.watch = rewrite
    assert await copy_start(tree, "a.log") is None
    assert temporary(tree) == []


async def test_a_copy_that_finds_no_room_leaves_nothing() -> None:
    files = MemoryFiles()
    tree = await Tree.open(files, tokens())
    write(files, "a.log", b"one\n" * 100)
    files.capacity = 500
    with pytest.raises(OSError, match="No space"):
        await copy_start(tree, "a.log")
    assert temporary(tree) == []


@pytest.mark.parametrize("does", ["open", "stat", "read", "sync"])
@pytest.mark.parametrize("large", [False, True])
async def test_a_disk_that_fails_is_a_problem(does: str, large: bool) -> None:
    files = MemoryFiles()
    tree = await Tree.open(files, tokens())
    write(files, "a.md", b"x" * (SMALL + 1 if large else 10))
    files.faults.append(Fault(errno.EIO, ("a.md",), does))
    if large:
        found = await measure_large(tree, ("a.md",), "a.md", None)
    else:
        found = measure(files, ("a.md",), "a.md", None)
    assert isinstance(found, Problem)
    assert found.kind == "failed"


async def test_a_file_that_went_or_turned_into_something_else_is_told(tree: Tree) -> None:
    tree.files.make_folder(("folder",))
    for path, kind in (("gone.md", "moving"), ("folder", "special")):
        for found in (
            measure(tree.files, (path,), path, None),
            await measure_large(tree, (path,), path, None),
        ):
            assert isinstance(found, Problem)
            assert found.kind == kind
