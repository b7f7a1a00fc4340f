"""What the port promises holds on a disk and in memory alike."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from clawmatrix_knowledge.files.port import NotRegular
from tests.plugins.knowledge.files.helpers import content, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_knowledge.files.port import Files, Names


def number_of(call: Callable[[], object]) -> int | None:
    with pytest.raises(OSError) as caught:
        call()
    return caught.value.errno


def test_bytes_are_written_and_read_at_offsets(files: Files) -> None:
    with files.open(("a",), "new") as handle:
        handle.write(3, b"def")
        handle.write(0, b"abc")
        assert handle.read(1, 4) == b"bcde"
        assert handle.read(4, 100) == b"ef"
        assert handle.read(100, 1) == b""
        handle.truncate(2)
        handle.truncate(4)
        assert handle.read(0, 10) == b"ab\0\0"
        handle.set(0o640, 123_000_000_000)
        handle.sync()
        found = handle.stat()
    assert (found.kind, found.size, found.mtime, found.mode, found.links) == (
        "file", 4, 123_000_000_000, 0o640, 1,
    )  # fmt: skip
    assert files.stat(("a",)) == found


def test_names_are_taken_once(files: Files) -> None:
    write(files, "a", b"x")
    write(files, "b", b"y")
    files.make_folder(("folder",))
    assert number_of(lambda: files.open(("a",), "new")) == errno.EEXIST
    assert number_of(lambda: files.make_folder(("a",))) == errno.EEXIST
    assert number_of(lambda: files.rename_new(("a",), ("b",))) == errno.EEXIST
    assert number_of(lambda: files.rename_new(("a",), ("folder",))) == errno.EEXIST
    assert number_of(lambda: files.link(("a",), ("b",))) == errno.EEXIST
    assert content(files, "b") == b"y"


def test_names_that_are_not_there_are_told(files: Files) -> None:
    write(files, "a", b"x")
    assert files.stat(("b",)) is None
    assert number_of(lambda: files.stat(("b", "c"))) == errno.ENOENT
    assert number_of(lambda: files.stat(("a", "c"))) == errno.ENOTDIR
    assert number_of(lambda: files.list(("a",))) == errno.ENOTDIR
    assert number_of(lambda: files.list(("b",))) == errno.ENOENT
    assert number_of(lambda: files.open(("b",))) == errno.ENOENT
    assert number_of(lambda: files.open(("b",), "write")) == errno.ENOENT
    assert number_of(lambda: files.unlink(("b",))) == errno.ENOENT
    assert number_of(lambda: files.rename(("b",), ("c",))) == errno.ENOENT
    assert number_of(lambda: files.exchange(("a",), ("b",))) == errno.ENOENT
    assert number_of(lambda: files.make_folder(("b", "c"))) == errno.ENOENT
    assert number_of(lambda: files.open(("n" * 256,), "new")) == errno.ENAMETOOLONG


@pytest.mark.parametrize(
    "names", [("..",), ("a", ".."), (".",), ("",), ("a/b",), ("a\0b",), ("..", "x")]
)
def test_no_name_leads_out(files: Files, names: Names) -> None:
    write(files, "a", b"x")
    calls: list[Callable[[], object]] = [
        lambda: files.stat(names),
        lambda: files.list(names),
        lambda: files.open(names),
        lambda: files.open(names, "new"),
        lambda: files.make_folder(names),
        lambda: files.rename(("a",), names),
        lambda: files.rename_new(("a",), names),
        lambda: files.exchange(("a",), names),
        lambda: files.link(("a",), names),
        lambda: files.unlink(names),
        lambda: files.sync_folder(names),
    ]
    assert {number_of(call) for call in calls} == {errno.EINVAL}


def test_the_root_is_looked_at_and_not_taken_away(files: Files) -> None:
    found = files.stat(())
    assert found is not None
    assert found.kind == "folder"
    assert files.list(()) == []
    files.sync_folder(())
    assert number_of(lambda: files.unlink(())) == errno.EINVAL
    assert files.space().free > 0


def test_two_names_trade_places(files: Files) -> None:
    write(files, "a", b"x")
    write(files, "folder/b", b"y")
    was = files.stat(("a",))
    files.exchange(("a",), ("folder", "b"))
    assert (content(files, "a"), content(files, "folder/b")) == (b"y", b"x")
    now = files.stat(("folder", "b"))
    assert was is not None
    assert now is not None
    assert now.is_content_as(was)


def test_a_second_name_is_the_same_file(files: Files) -> None:
    write(files, "a", b"x")
    files.link(("a",), ("b",))
    write(files, "b", b"y")
    assert content(files, "a") == b"y"
    found = files.stat(("a",))
    assert found is not None
    assert found.links == 2
    files.rename(("b",), ("c",))
    files.unlink(("a",))
    found = files.stat(("c",))
    assert found is not None
    assert found.links == 1


def test_renaming_replaces(files: Files) -> None:
    write(files, "a", b"x")
    write(files, "b", b"y")
    files.rename(("a",), ("b",))
    assert [entry.name for entry in files.list(())] == ["b"]
    assert content(files, "b") == b"x"


def test_only_empty_folders_are_removed(files: Files) -> None:
    write(files, "folder/a", b"x")
    assert number_of(lambda: files.remove_folder(("folder",))) == errno.ENOTEMPTY
    files.unlink(("folder", "a"))
    files.remove_folder(("folder",))
    assert files.list(()) == []
    assert number_of(lambda: files.remove_folder(("folder",))) == errno.ENOENT


def test_only_regular_files_are_opened(files: Files) -> None:
    files.make_folder(("folder",))
    with pytest.raises(NotRegular):
        files.open(("folder",))


def test_an_edit_shows(files: Files) -> None:
    write(files, "a", b"x")
    was = files.stat(("a",))
    write(files, "a", b"xy")
    now = files.stat(("a",))
    assert was is not None
    assert now is not None
    assert not now.is_content_as(was)
    assert now.inode == was.inode


@pytest.mark.anyio
async def test_calls_return_what_they_return(files: Files) -> None:
    assert await files.run(lambda: 7) == 7
    calls = [lambda n=n: n for n in range(50)]
    assert await files.run_all(calls) == list(range(50))
    assert await files.run_all([]) == []
