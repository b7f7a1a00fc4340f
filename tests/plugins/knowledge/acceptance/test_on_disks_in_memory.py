"""Scenarios that want a loss of power, another kind of disk, or a year: on disks in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_knowledge.files.keeping import FilesShelf
from clawmatrix_knowledge.files.memory import MemoryFiles, PowerLost
from clawmatrix_knowledge.ids import content_id
from clawmatrix_knowledge.index import store
from clawmatrix_knowledge.index.store import SNAPSHOT
from clawmatrix_knowledge.syncing.workspace import Options
from tests.plugins.knowledge.index.helpers import version
from tests.plugins.knowledge.index.test_index import ids, opened, shared
from tests.plugins.knowledge.syncing.helpers import Machine, sync

if TYPE_CHECKING:
    from clawmatrix_knowledge.files.disk import Disk
    from clawmatrix_knowledge.files.port import Names
    from clawmatrix_knowledge.index.index import Index
    from clawmatrix_knowledge.versions import Version

pytestmark = [pytest.mark.anyio]


@pytest.fixture(autouse=True)
def _early_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_ALONE", 20_000)


HISTORY = (".clawmatrix", "history")
YEAR = 365 * 86_400.0


async def pair() -> tuple[Machine, Machine]:
    return await Machine("a").start(), await Machine("b").start()


async def test_power_that_fails_before_the_data_of_new_files_is_on_the_disk() -> None:
    a, b = await pair()
    for number in range(500):
        a.write(f"{number % 20}/{number}.md", f"old {number}\n")
    await sync(a, b)
    old = {name: folder.entries.copy() for name, folder in b.files.disk.root.entries.items()}
    for number in range(500):
        a.write(f"{number % 20}/{number}.md", f"new {number}\n")
    await sync(a, b)
    wanted = a.tree()
    for number in range(500):
        folder, name = f"{number % 20}", f"{number}.md"
        if number % 3 == 0:  # the exchange never came to the disk
            b.files.put_node((folder, name), old[folder][name])
        elif number % 3 == 1:  # the size did, and the bytes did not
            node = b.files.disk.root.entries[folder].entries[name]
            node.data = node.disk_data = b""
            node.ctime += 1
    b.files.disk.sync_all()
    versions = len(a.space.index.graph)
    await b.lose_power()
    await sync(a, b)
    assert len(a.space.index.graph) == versions
    assert b.tree() == a.tree() == wanted


@pytest.mark.parametrize("does", ["edit", "delete", "folder"])
async def test_an_edit_before_its_scan_as_something_else_arrives(does: str) -> None:
    a, b = await pair()
    a.write("thing", b"\0one")
    await sync(a, b)
    if does == "edit":
        a.write("thing", b"\0two")
    else:
        a.delete("thing")
    if does == "folder":
        a.write("thing/inside.md", "x\n")
    await a.space.work()
    b.write("thing", b"\0mine")
    await sync(a, b, scans=False)
    await sync(a, b)
    assert a.tree() == b.tree()
    wanted = {"edit": {b"\0two", b"\0mine"}, "delete": {b"\0mine"}, "folder": {b"\0mine", b"x\n"}}
    assert set(a.tree().values()) == wanted[does]


async def cases() -> tuple[Machine, Machine]:
    """Return a node whose disk tells cases apart, and one whose disk does not."""
    a, b = Machine("a"), Machine("b")
    b.files = MemoryFiles(clock=b.clock.tick, ignores_case=True)
    return await a.start(), await b.start()


@pytest.mark.parametrize("other", [False, True])
async def test_a_file_is_renamed_by_its_case_alone(other: bool) -> None:
    a, b = await cases()
    a.write("FOO.md", "foo\n")
    await sync(a, b)
    with (b if other else a).files.others():
        (b if other else a).files.rename(("FOO.md",), ("foo.md",))
    for _ in range(3):
        await sync(a, b)
    assert a.tree() == b.tree() == {"foo.md": b"foo\n"}


async def test_two_files_whose_names_differ_in_case_alone() -> None:
    a, b = await cases()
    a.write("a.md", "small\n")
    a.write("A.md", "large\n")
    for _ in range(3):
        await sync(a, b)
    assert a.tree() == {"a.md": b"small\n", "A.md": b"large\n"}
    (there,) = b.tree().items()
    assert there in a.tree().items()
    (clash,) = [one for one in b.space.problems.values() if one.kind == "clash"]
    assert clash.path in ("a.md", "A.md")
    assert {content_id(data) for data in a.tree().values()} <= {
        one.content for machine in (a, b) for one in machine.space.history.entries()
    }


async def test_a_node_that_was_away_for_a_year() -> None:
    a, b = await pair()
    for number in range(400):
        a.write(f"{number}.md", f"{number}\n")
    await sync(a, b)
    for number in range(100):
        a.delete(f"{number}.md")
    await a.space.work()
    assert a.space.halt is None
    for machine in (a, b):
        machine.clock.seconds += YEAR
    await a.space.work()
    for number in range(5):
        b.append(f"{number}.md", "edited\n")
    await b.space.work()
    await sync(a, b)
    await sync(a, b)
    assert a.tree() == b.tree()
    wanted = {f"{number}.md": f"{number}\n".encode() for number in range(100, 400)}
    wanted |= {f"{number}.md": f"{number}\nedited\n".encode() for number in range(5)}
    assert a.tree() == wanted


SOME = [version(f"more/{number}.md", f"{number}") for number in range(500)]


async def about_to_rewrite() -> tuple[Disk, set[str]]:
    """Return a disk with a snapshot that ``SOME`` more versions will replace, and what it has."""
    files = MemoryFiles()
    files.make_folder((".clawmatrix",))
    number, rewritten = 0, 0
    while True:
        disk = files.disk.copy()
        index = await opened(FilesShelf(files))
        steps = await rewrites(files, index, SOME)
        rewritten += bool(steps)
        if rewritten == 2:
            return disk, ids(await opened(FilesShelf(MemoryFiles(disk.copy()))))
        files = MemoryFiles(disk)
        index = await opened(FilesShelf(files))
        await index.record([version(f"{number + n}.md", f"{number + n}") for n in range(500)])
        files.disk.sync_all()
        number += 500


async def rewrites(files: MemoryFiles, index: Index, some: list[Version]) -> list[int]:
    """Record versions; return the steps at which the files of a snapshot were written."""
    found: list[int] = []

    def note(does: str, names: Names) -> None:
        found.extend([files.steps] if names[-1].startswith(SNAPSHOT) else [])

    files.watch = note
    try:
        await index.record(some)
    finally:
        files.watch = None
    return found


async def test_a_crash_at_each_step_of_a_snapshots_rewrite() -> None:
    disk, before = await about_to_rewrite()
    recorded = before | {one.id for one in SOME}
    for step in range(1, 50):
        files = MemoryFiles(disk.copy())
        index = await opened(FilesShelf(files))
        files.crash_at = files.steps + step
        try:
            done = await rewrites(files, index, SOME)
        except PowerLost:
            files.crash()
            again = await opened(FilesShelf(files))
            assert ids(again) in (before, recorded)
            assert not again.told
            await again.record(SOME)
            assert ids(again) == recorded
            continue
        assert len(done) > 2
        assert step > len(done)
        return
    raise AssertionError("there are more steps")


async def test_a_snapshot_that_does_not_load_costs_nothing_that_a_peer_has() -> None:
    disk, before = await about_to_rewrite()
    files = MemoryFiles(disk)
    peer = await opened(FilesShelf(MemoryFiles(disk.copy())))
    names = (".clawmatrix", SNAPSHOT)
    with files.others(), files.open(names, "write") as handle:
        size = handle.stat().size
        handle.write(size // 2, b"\0" * 100)
    index = await opened(FilesShelf(files))
    assert "kept as" in " ".join(index.told)
    await shared(index, peer)
    assert ids(index) == ids(peer) == before
    assert files.stat((".clawmatrix", f"{SNAPSHOT}.damaged-1")) is not None


def forget(machine: Machine, text: str) -> None:
    """Take a content out of the history of a node."""
    content = content_id(text.encode())
    with machine.files.others():
        found = [names for names in below(machine.files, HISTORY) if content in "".join(names)]
        for names in found:
            machine.files.unlink(names)
    assert found


def below(files: MemoryFiles, folder: Names) -> list[Names]:
    """Return the files below a folder."""
    found: list[Names] = []
    for entry in files.list(folder):
        names = (*folder, entry.name)
        is_folder = entry.stat is not None and entry.stat.kind == "folder"
        found += below(files, names) if is_folder else [names]
    return found


async def test_an_ancestor_whose_bytes_nobody_has() -> None:
    a, b = await pair()
    a.write("note.md", "1\n2\n3\n")
    await sync(a, b)
    a.write("note.md", "1 by a\n2\n3\n")
    b.write("note.md", "1\n2\n3 by b\n")
    for machine in (a, b):
        await machine.space.work()
        forget(machine, "1\n2\n3\n")
        await machine.start()
        await machine.space.work()
        assert not machine.space.has(content_id(b"1\n2\n3\n"))
    for _ in range(3):
        await sync(a, b)
    # Each node's own version stays in its place, both are kept, and the file is listed.
    assert a.read("note.md") == b"1 by a\n2\n3\n"
    assert b.read("note.md") == b"1\n2\n3 by b\n"
    for machine in (a, b):
        assert machine.space.index.graph.unsettled() == ["note.md"]
        assert list(machine.space.missing) == [content_id(b"1\n2\n3\n")]
    # The rest goes on, and edits of the file itself as well.
    a.write("other.md", "x\n")
    a.append("note.md", "4\n")
    await sync(a, b)
    assert b.read("other.md") == b"x\n"
    assert b.read("note.md") == b"1\n2\n3 by b\n"
    # A node that has the bytes after all makes the merge, and all take it.
    c = Machine("c")
    c.options = Options(author="c")
    c.write("note.md", "1\n2\n3\n")
    await c.start()
    await sync(a, b, c)
    await sync(a, b, c)
    assert a.tree() == b.tree() == c.tree()
    assert a.read("note.md") == b"1 by a\n2\n3 by b\n4\n"
