"""What a loss of power leaves in memory is what it could leave on a disk."""

from __future__ import annotations

import random

import pytest

from clawmatrix_knowledge.files.memory import Fault, MemoryFiles, PowerLost
from tests.plugins.knowledge.files.helpers import content, write


def names(files: MemoryFiles) -> list[str]:
    return sorted(entry.name for entry in files.list(()))


def sync(files: MemoryFiles, path: str) -> None:
    with files.open(tuple(path.split("/")), "write") as handle:
        handle.sync()


def test_a_name_needs_its_folder_synced_and_bytes_need_their_file() -> None:
    files = MemoryFiles()
    for path in ("a", "b", "c"):
        write(files, path, b"text")
    sync(files, "a")
    files.sync_folder(())
    write(files, "d", b"text")
    sync(files, "d")
    files.crash()
    assert names(files) == ["a", "b", "c"]
    assert (content(files, "a"), content(files, "b")) == (b"text", b"")


def test_a_rename_is_undone_as_a_whole() -> None:
    files = MemoryFiles()
    files.make_folder(("folder",))
    write(files, "a", b"one")
    write(files, "folder/b", b"two")
    files.disk.sync_all()
    files.exchange(("a",), ("folder", "b"))
    files.crash()
    assert (content(files, "a"), content(files, "folder/b")) == (b"one", b"two")
    files.exchange(("a",), ("folder", "b"))
    files.sync_folder(("folder",))
    files.crash()
    assert (content(files, "a"), content(files, "folder/b")) == (b"two", b"one")


def test_a_removed_file_comes_back_with_its_links_counted() -> None:
    files = MemoryFiles()
    write(files, "a", b"one")
    files.disk.sync_all()
    files.link(("a",), ("b",))
    files.unlink(("a",))
    files.crash()
    assert names(files) == ["a"]
    found = files.stat(("a",))
    assert found is not None
    assert found.links == 1


def test_the_disk_may_have_put_down_some_of_it_in_order() -> None:
    chance = random.Random(4)
    seen = set()
    for _ in range(100):
        files = MemoryFiles()
        write(files, "a", b"one")
        files.rename(("a",), ("b",))
        files.rename(("b",), ("c",))
        files.crash(lambda: chance.random() < 0.7)
        seen.add((*names(files), *(content(files, name) for name in names(files))))
    assert seen == {
        (),
        ("a", b""),
        ("a", b"one"),
        ("b", b""),
        ("b", b"one"),
        ("c", b""),
        ("c", b"one"),
    }


def test_power_is_lost_before_a_step_and_nothing_goes_on() -> None:
    files = MemoryFiles()
    write(files, "a", b"one")
    files.disk.sync_all()
    files.crash_at = files.steps + 2
    files.rename(("a",), ("b",))
    with pytest.raises(PowerLost):
        files.rename(("b",), ("c",))
    with pytest.raises(PowerLost):
        files.stat(("a",))
    files.crash()
    assert names(files) == ["a"]


def test_a_full_disk_takes_a_part() -> None:
    files = MemoryFiles()
    files.capacity = 10
    write(files, "a", b"123456")
    with pytest.raises(OSError, match="No space"):
        write(files, "b", b"123456")
    assert content(files, "b") == b"1234"
    assert files.space().free == 0
    files.capacity = 20
    write(files, "b", b"123456")


def test_faults_befall_a_place_and_what_is_below() -> None:
    files = MemoryFiles()
    write(files, "folder/a", b"x")
    write(files, "b", b"x")
    files.faults.append(Fault(13, ("folder",)))
    with pytest.raises(PermissionError):
        files.list(("folder",))
    with pytest.raises(PermissionError):
        content(files, "folder/a")
    assert [entry.error is None for entry in files.list(())] == [False, True]
    assert content(files, "b") == b"x"
    with files.others():
        assert content(files, "folder/a") == b"x"


def test_a_copy_of_a_disk_goes_its_own_way() -> None:
    files = MemoryFiles()
    write(files, "a", b"one")
    other = MemoryFiles(files.disk.copy())
    write(files, "a", b"two")
    assert content(other, "a") == b"one"


def test_case_and_form_do_not_count_where_they_should_not() -> None:
    files = MemoryFiles(ignores_case=True, ignores_form=True)
    write(files, "Caf\xe9", b"x")
    assert content(files, "cafe\u0301") == b"x"
    files.rename(("caf\xe9",), ("CAF\xc9",))
    assert names(files) == ["CAF\xc9"]
    files.unlink(("caf\xe9",))
    assert names(files) == []
