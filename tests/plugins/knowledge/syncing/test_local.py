"""What is known of the disk is durable, and says so where it is not whole."""

from __future__ import annotations

import errno

import pytest

from clawmatrix_knowledge.files.keeping import FilesShelf
from clawmatrix_knowledge.files.memory import Fault, MemoryFiles, PowerLost
from clawmatrix_knowledge.files.port import Stat
from clawmatrix_knowledge.files.scanning import Seen
from clawmatrix_knowledge.files.traits import OWN, make_own_folder
from clawmatrix_knowledge.index.store import Store
from clawmatrix_knowledge.syncing.local import Local, LocalStore
from clawmatrix_knowledge.versions import ContentId, VersionId


def seen(number: int) -> Seen:
    stat = Stat("file", number, 1, 2, 3, 4, 0o644, 1)
    return Seen(VersionId(f"v{number}"), ContentId(f"c{number % 3}"), stat, young=bool(number % 2))


def made() -> tuple[MemoryFiles, LocalStore]:
    files = MemoryFiles()
    make_own_folder(files)
    return files, LocalStore(FilesShelf(files))


def test_what_was_written_is_there_again_and_crashes_leave_the_state_before_or_after() -> None:
    for crash in range(1, 200):
        files, store = made()
        assert store.read() is None
        local = None
        states = []
        number = 0
        try:
            files.crash_at = files.steps + crash

            local = Local()
            for number in range(20):
                local.put(f"{number % 7}.md", seen(number))
                if number % 5 == 4:
                    local.drop(f"{number % 4}.md")
                states.append(dict(local))
                store.write(local)
                if number % 6 == 5:
                    store.replace(local)
        except PowerLost:
            files.crash(lambda: True)
        else:
            return
        restored = LocalStore(FilesShelf(files)).read()
        found = {} if restored is None else dict(restored.local)
        assert found in ({}, *states[-2:]), crash
        assert found or number < 1
    raise AssertionError("there are more steps")


def test_contents_are_found_by_what_has_them() -> None:
    _, store = made()
    store.read()

    local = Local()
    for number in range(6):
        local.put(f"{number}.md", seen(number))
    assert sorted(local.paths_of(ContentId("c1"))) == ["1.md", "4.md"]
    local.drop("1.md")
    local.put("4.md", seen(2))
    assert not local.paths_of(ContentId("c1"))
    store.write(local)
    restored = store.read()
    assert restored is not None
    assert dict(restored.local) == dict(local)
    assert restored.counter == 1


def test_what_could_not_be_written_is_written_the_next_time() -> None:
    files, store = made()
    store.read()

    local = Local()
    local.put("a.md", seen(1))
    files.faults = [Fault(errno.ENOSPC, OWN, "write")]
    with pytest.raises(OSError, match="space"):
        store.write(local)
    files.faults = []
    local.put("b.md", seen(2))
    store.write(local)
    restored = LocalStore(FilesShelf(files)).read()
    assert restored is not None
    assert dict(restored.local) == dict(local)


def test_a_log_with_a_frame_that_is_none_counts_as_lost() -> None:
    files, store = made()
    store.read()

    Store(FilesShelf(files), snapshot="local", log="local.log").add([b"nonsense"])
    assert LocalStore(FilesShelf(files)).read() is None
