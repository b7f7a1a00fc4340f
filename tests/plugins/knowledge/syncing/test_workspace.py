"""Two and more workspaces, end to end but for the wire."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest

from clawmatrix_knowledge.files.memory import Fault, PowerLost
from clawmatrix_knowledge.ids import content_id
from clawmatrix_knowledge.syncing.workspace import Options
from tests.plugins.knowledge.syncing.helpers import Machine, sync

if TYPE_CHECKING:
    from clawmatrix_knowledge.files.disk import Node
    from clawmatrix_knowledge.files.port import Names

STRIDE: Final = int(os.environ.get("KNOWLEDGE_STRIDE", "7"))
"""Of the steps at which there are crashes, every so many."""

pytestmark = [pytest.mark.anyio]


async def pair() -> tuple[Machine, Machine]:
    return await Machine("a").start(), await Machine("b").start()


async def test_a_file_gets_to_the_other_node_and_its_edits_and_its_deletion_follow() -> None:
    a, b = await pair()
    a.write("notes/one.md", "one\n")
    a.write("run.sh", "#!/bin/sh\n", executable=True)
    await sync(a, b)
    assert b.tree() == {"notes/one.md": b"one\n", "run.sh": b"#!/bin/sh\n"}
    with b.files.others():
        stat = b.files.stat(("run.sh",))
    assert stat is not None
    assert stat.executable
    b.append("notes/one.md", "two\n")
    await sync(a, b)
    assert a.read("notes/one.md") == b"one\ntwo\n"
    a.delete("notes/one.md")
    await sync(a, b)
    assert b.tree() == {"run.sh": b"#!/bin/sh\n"}
    assert a.space.index.heads == b.space.index.heads
    versions = len(a.space.index.graph)
    await sync(a, b)
    assert len(a.space.index.graph) == versions


async def test_notes_that_two_nodes_add_to_apart_have_all_lines_once() -> None:
    a, b = await pair()
    a.write("memory/today.md", "# today\n")
    await sync(a, b)
    a.append("memory/today.md", "from a\n")
    b.append("memory/today.md", "from b\n")
    await sync(a, b)
    assert a.tree() == b.tree()
    assert sorted(a.read("memory/today.md").splitlines()) == [b"# today", b"from a", b"from b"]


async def test_a_picture_edited_apart_is_kept_twice_and_a_deleted_copy_stays_away() -> None:
    a, b = await pair()
    a.write("face.png", b"\0base")
    await sync(a, b)
    for number in range(5):
        a.write("face.png", b"\0a%d" % number)
        b.write("face.png", b"\0b%d" % number)
        await sync(a, b)
        assert a.tree() == b.tree()
        assert set(a.tree().values()) == {b"\0a%d" % number, b"\0b%d" % number}
        (copy,) = [path for path in a.tree() if "conflict" in path]
        assert copy.count("conflict") == 1
        a.delete(copy)
        await sync(a, b)
        assert list(b.tree()) == ["face.png"]


async def test_two_full_folders_that_meet_become_one() -> None:
    a, b = await pair()
    a.write("only-a.md", "a\n")
    a.write("same.md", "same\n")
    a.write("config.json", '{"a": 1}\n')
    b.write("only-b.md", "b\n")
    b.write("same.md", "same\n")
    b.write("config.json", '{"b": 1}\n')
    await sync(a, b)
    assert a.tree() == b.tree()
    assert {"only-a.md", "only-b.md", "same.md", "config.json"} < set(a.tree())
    assert set(a.tree().values()) >= {b'{"a": 1}\n', b'{"b": 1}\n'}
    assert len(a.tree()) == 5


async def test_an_edit_beats_a_deletion_and_a_folder_takes_the_place_of_a_file() -> None:
    a, b = await pair()
    a.write("kept.md", "1\n")
    a.write("thing", "file\n")
    await sync(a, b)
    a.delete("kept.md")
    b.write("kept.md", "2\n")
    a.delete("thing")
    a.write("thing/inside.md", "x\n")
    b.write("thing", "file, edited\n")
    await sync(a, b)
    assert a.tree() == b.tree()
    assert a.read("kept.md") == b"2\n"
    assert a.read("thing/inside.md") == b"x\n"
    assert b"file, edited\n" in a.tree().values()


async def test_an_edit_that_was_not_scanned_yet_is_not_overwritten() -> None:
    a, b = await pair()
    a.write("pic.png", b"\0one")
    a.write("note.txt", "1\n2\n3\n4\n5\n")
    await sync(a, b)
    a.write("pic.png", b"\0two")
    a.write("note.txt", "1\n2\n3\n4\n5 by a\n")
    await a.space.work()
    b.write("pic.png", b"\0other")
    b.write("note.txt", "1 by b\n2\n3\n4\n5\n")
    await sync(a, b, scans=False)
    assert a.tree() == b.tree()
    assert set(a.tree().values()) == {b"\0two", b"\0other", b"1 by b\n2\n3\n4\n5 by a\n"}


async def test_a_node_that_lost_what_it_knew_of_its_files_deletes_nothing() -> None:
    a, b = await pair()
    for number in range(4):
        a.write(f"{number}.md", f"{number}\n")
    await sync(a, b)
    a.write("0.md", "newer\n")
    await sync(a, b)
    b.joins = True
    b.write("0.md", "0\n")
    b.delete("1.md")
    await b.start()
    await sync(a, b)
    assert a.tree() == b.tree()
    assert a.tree() == {"0.md": b"newer\n", "1.md": b"1\n", "2.md": b"2\n", "3.md": b"3\n"}


async def test_many_deletions_wait_for_a_person() -> None:
    a, b = await pair()
    for number in range(60):
        a.write(f"{number}.md", f"{number}\n")
    await sync(a, b)
    for number in range(40):
        a.delete(f"{number}.md")
    await sync(a, b)
    assert a.space.halt is not None
    assert (a.space.halt.kind, a.space.halt.files) == ("here", 40)
    assert len(b.tree()) == 60
    await a.start()
    await sync(a, b)
    assert a.space.halt is not None
    assert len(b.tree()) == 60
    await a.space.allow_deletes()
    await sync(a, b)
    assert b.space.halt is not None
    assert b.space.halt.kind == "elsewhere"
    assert len(b.tree()) == 60
    await b.space.reject_deletes()
    await sync(a, b)
    assert a.tree() == b.tree()
    assert len(a.tree()) == 60


async def test_deletions_that_were_not_meant_are_undone_where_they_were_made() -> None:
    a, b = await pair()
    for number in range(30):
        a.write(f"{number}.md", f"{number}\n")
    await sync(a, b)
    for number in range(30):
        a.delete(f"{number}.md")
        if number in (10, 20):
            await sync(a, b)
    await sync(a, b)
    assert len(b.tree()) < 30
    await a.space.reject_deletes()
    await sync(a, b)
    assert a.tree() == b.tree()
    assert len(a.tree()) == 30


async def test_files_that_move_are_no_deletions() -> None:
    a, b = await pair()
    for number in range(60):
        a.write(f"old/{number}.md", f"{number}\n")
    await sync(a, b)
    for number in range(60):
        a.delete(f"old/{number}.md")
        a.write(f"new/{number}.md", f"{number}\n")
    await sync(a, b)
    assert (a.space.halt, b.space.halt) == (None, None)
    assert a.tree() == b.tree()
    assert len(b.tree()) == 60


async def test_what_is_ignored_on_one_node_is_left_alone_there() -> None:
    a, b = await pair()
    b.write(".clawignore", "secret*\n")
    b.write("secret.md", "mine\n")
    await b.space.work()
    a.write("secret.md", "other\n")
    a.write("open.md", "x\n")
    await a.space.work()
    await sync(a, b)
    assert b.read("secret.md") == b"mine\n"
    assert a.read(".clawignore") == b"secret*\n"
    a.write(".clawignore", "\n")
    await sync(a, b)
    await sync(a, b)
    assert a.tree() == b.tree()
    assert {b"mine\n", b"other\n"} <= set(
        a.tree().values()
    ) or b"mine\nother\n" in a.tree().values()


async def test_what_others_have_at_an_ignored_path_is_neither_written_nor_deleted() -> None:
    a, b = await pair()
    for name in ("shared.md", "secret.md"):
        a.write(name, "1\n")
    await sync(a, b)
    b.write(".clawignore", "secret*\n*.tmp\n")
    await b.space.work()
    a.delete("secret.md")
    a.write("secret.txt", "other\n")
    a.write("deep/x.tmp", "other\n")
    await a.space.work()
    await sync(a, b)
    there = b.tree()
    assert there == {"shared.md": b"1\n", "secret.md": b"1\n", ".clawignore": b"secret*\n*.tmp\n"}
    assert {"secret.txt", "deep/x.tmp"} <= set(a.tree())


async def test_what_is_recorded_outlives_a_loss_of_power() -> None:
    a = await Machine("a").start()
    a.write("1.md", "1\n")
    await a.space.work()
    a.write("1.md", "2\n")
    a.write("2.md", "2\n")
    await a.space.work()
    recorded, heads = {one.id for one in a.space.index.graph}, a.space.index.heads
    await a.lose_power()
    assert {one.id for one in a.space.index.graph} == recorded
    assert a.space.index.heads == heads
    assert a.tree() == {"1.md": b"2\n", "2.md": b"2\n"}


@pytest.mark.parametrize("deletes", [False, True])
async def test_an_edit_that_comes_as_its_file_is_replaced_is_an_edit(deletes: bool) -> None:
    a, b = await pair()
    b.write("pic.png", b"\0one")
    await sync(a, b)
    if deletes:
        a.delete("pic.png")
    else:
        a.write("pic.png", b"\0two")
    await a.space.work()
    edits = iter([b"\0mine"])

    def edit(does: str, names: Names) -> None:
        if does == ("rename_new" if deletes else "exchange"):
            for data in edits:
                b.write("pic.png", data)

    b.files.watch = edit
    await sync(a, b, scans=False)
    b.files.watch = None
    await sync(a, b)
    assert next(edits, None) is None
    assert a.tree() == b.tree()
    assert set(a.tree().values()) == {b"\0mine"} | (set() if deletes else {b"\0two"})


async def test_an_edit_that_a_crash_left_aside_is_an_edit_still() -> None:
    a, b = await pair()
    b.write("pic.png", b"\0one")
    await sync(a, b)
    a.write("pic.png", b"\0two")
    await a.space.work()
    edited = False

    def fail(does: str, names: Names) -> None:
        nonlocal edited
        if does == "sync_folder" and edited:
            raise PowerLost
        if does == "exchange" and names == ("pic.png",) and not edited:
            edited = True
            b.write("pic.png", b"\0mine")

    b.files.watch = fail
    with pytest.raises(PowerLost):
        await sync(a, b)
    b.files.watch = None
    b.files.crash(lambda: True)
    await b.start()
    await sync(a, b)
    assert a.tree() == b.tree()
    assert set(a.tree().values()) == {b"\0two", b"\0mine"}


async def test_what_an_editor_writes_to_the_file_that_was_replaced_is_an_edit() -> None:
    a, b = await pair()
    b.write("note.txt", "1\n2\n3\n")
    await sync(a, b)
    with b.files.others():
        handle = b.files.open(("note.txt",), "write")
    a.write("note.txt", "1\n2\n3 by a\n")
    await sync(a, b)
    assert b.read("note.txt") == b"1\n2\n3 by a\n"
    with b.files.others():
        handle.truncate(0)
        handle.write(0, b"1 by b\n2\n3\n")
    b.clock.seconds += 100
    await sync(a, b)
    assert a.read("note.txt") == b.read("note.txt") == b"1 by b\n2\n3 by a\n"


async def test_what_cannot_be_read_is_not_deleted() -> None:
    a, b = await pair()
    a.write("d/1.md", "1\n")
    a.write("2.md", "2\n")
    await sync(a, b)
    a.files.faults = [Fault(errno.EIO, ("d",))]
    a.append("2.md", "more\n")
    await sync(a, b)
    assert b.tree() == {"d/1.md": b"1\n", "2.md": b"2\nmore\n"}
    assert "d" in a.space.problems
    a.files.faults = []
    await sync(a, b)
    assert not a.space.problems
    assert a.tree() == b.tree()


async def test_a_full_disk_takes_the_rest_once_there_is_room() -> None:
    a, b = await pair()
    for number in range(10):
        a.write(f"{number}.bin", b"\0" + bytes([number]) * 3000)
    b.files.capacity = 16_000
    await a.space.work()
    with suppress(OSError):
        await sync(a, b)
    assert all(data == a.tree()[path] for path, data in b.tree().items())
    b.files.capacity = None
    await sync(a, b)
    assert a.tree() == b.tree()


async def test_a_version_is_restored_and_that_is_undone() -> None:
    a, b = await pair()
    a.write("note.md", "good\n")
    await sync(a, b)
    b.write("note.md", "bad\n")
    await sync(a, b)
    await a.space.restore("note.md")
    await sync(a, b)
    assert a.read("note.md") == b.read("note.md") == b"good\n"
    a.delete("note.md")
    await sync(a, b)
    (bad,) = [one for one in b.space.index.graph if one.content == content_id(b"bad\n")]
    await b.space.restore("note.md", bad.id[:12])
    await sync(a, b)
    assert a.read("note.md") == b.read("note.md") == b"bad\n"
    with pytest.raises(KeyError):
        await a.space.restore("none.md")


async def test_a_paused_workspace_does_nothing_until_it_goes_on() -> None:
    a, b = await pair()
    await b.space.pause(paused=True)
    a.write("a.md", "a\n")
    b.write("b.md", "b\n")
    await sync(a, b)
    assert (list(a.tree()), list(b.tree())) == (["a.md"], ["b.md"])
    await b.start()
    await sync(a, b)
    assert b.tree().keys() == {"b.md"}
    await b.space.pause(paused=False)
    await sync(a, b)
    assert a.tree() == b.tree()
    assert len(a.tree()) == 2


async def test_crashes_at_every_step_of_an_exchange_of_edits_lose_nothing() -> None:
    for step in range(1, 400, STRIDE):
        a, b = await pair()
        a.write("memory/x.md", "1\n")
        a.write("gone.md", "gone\n")
        a.write("pic.png", b"\0one")
        await sync(a, b)
        a.append("memory/x.md", "a\n")
        b.append("memory/x.md", "b\n")
        a.delete("gone.md")
        a.write("new/y.md", "y\n")
        a.write("pic.png", b"\0two")
        b.write("pic.png", b"\0three")
        await a.space.work()
        b.files.crash_at = b.files.steps + step
        try:
            await sync(a, b)
        except PowerLost:
            b.files.crash(lambda: True)
            await b.start()
            await sync(a, b)
        else:
            assert step > 50
            return
        assert a.tree() == b.tree()
        assert sorted(a.read("memory/x.md").split()) == [b"1", b"a", b"b"]
        assert {b"\0two", b"\0three", b"y\n"} <= set(a.tree().values())
        assert "gone.md" not in a.tree()
        assert len(a.tree()) == 4, (step, a.tree())
    raise AssertionError("there are more steps")


async def test_files_that_a_loss_of_power_emptied_or_brought_back_are_no_edits() -> None:
    a, b = await pair()
    for number in range(10):
        a.write(f"{number}.md", f"old {number}\n")
    await sync(a, b)
    before = {path: node_of(b, path) for path in ("0.md", "1.md")}
    for number in range(12):
        a.write(f"{number}.md", f"new {number}\n")
    await sync(a, b)
    for path, node in before.items():
        b.files.put_node((path,), node)  # as if the exchange never came to the disk
    for path in ("2.md", "3.md", "10.md"):
        node = node_of(b, path)
        node.data = node.disk_data = b""  # the file system put its size on the disk, and no bytes
        node.ctime += 1
    with b.files.others():
        for names in [()]:
            b.files.sync_folder(names)
    versions = len(a.space.index.graph)
    await b.lose_power()
    await sync(a, b)
    assert len(a.space.index.graph) == versions
    assert a.tree() == b.tree()
    assert a.read("2.md") == b"new 2\n"
    b.write("4.md", "")
    await sync(a, b)
    assert a.read("4.md") == b""


def node_of(machine: Machine, path: str) -> Node:
    return machine.files.disk.root.entries[path]


async def test_who_only_receives_makes_no_versions_and_keeps_what_is_replaced() -> None:
    a = await Machine("a").start()
    b = Machine("b")
    b.options = Options(author="b", sends=False)
    await b.start()
    a.write("1.md", "1\n")
    a.write("2.md", "2\n")
    await sync(a, b)
    b.write("1.md", "mine\n")
    b.write("own.md", "own\n")
    b.delete("2.md")
    await sync(a, b)
    assert len(a.space.index.graph) == 2
    assert sorted(b.space.differing) == ["1.md", "own.md"]
    assert b.read("1.md") == b"mine\n"
    assert b.read("2.md") == b"2\n"
    a.append("1.md", "more\n")
    await sync(a, b)
    assert b.read("1.md") == b"1\nmore\n"
    assert b"".join(b.space.history.read(content_id(b"mine\n"))) == b"mine\n"
    b.write("1.md", "mine again\n")
    await sync(a, b)
    await b.space.revert()
    assert b.read("1.md") == b"1\nmore\n"
    assert len(a.space.index.graph) == 3


async def test_who_only_sends_writes_nothing_of_others() -> None:
    a = Machine("a")
    a.options = Options(author="a", receives=False)
    await a.start()
    b = await Machine("b").start()
    a.write("1.md", "1\n")
    await sync(a, b)
    b.write("1.md", "b\n")
    b.write("2.md", "2\n")
    await sync(a, b)
    assert a.tree() == {"1.md": b"1\n"}
    assert b.read("1.md") == b"b\n"


async def test_a_file_that_does_not_rest_is_recorded_as_it_begins() -> None:
    a, b = await pair()
    a.write("big.log", "line\n")

    def grow(does: str, names: Names) -> None:
        if does == "sync" and names == ("big.log",):
            a.append("big.log", "line\n")

    a.files.watch = grow
    for _ in range(6):
        await sync(a, b)
        a.clock.seconds += 3
    assert b"line\n" in b.read("big.log")
    assert set(b.read("big.log").splitlines()) == {b"line"}
    a.files.watch = None
    await sync(a, b)
    assert a.tree() == b.tree()
    assert list(a.tree()) == ["big.log"]


async def test_what_was_replaced_is_kept_for_a_month_and_what_is_live_for_longer() -> None:
    a, b = await pair()
    a.write("note.md", "first\n")
    a.write("still.md", "still\n")
    await sync(a, b)
    for machine in (a, b):
        machine.clock.seconds += 40 * 86_400
    a.write("note.md", "second\n")
    await sync(a, b)
    await sync(a, b)
    for machine in (a, b):
        assert content_id(b"first\n") in machine.space.history
        machine.clock.seconds += 29 * 86_400
    await sync(a, b)
    assert content_id(b"first\n") in a.space.history
    for machine in (a, b):
        machine.clock.seconds += 2 * 86_400
    await sync(a, b)
    for machine in (a, b):
        assert content_id(b"first\n") not in machine.space.history
        assert content_id(b"still\n") in machine.space.history
        assert content_id(b"second\n") in machine.space.history


async def test_a_disk_with_little_room_takes_nothing_of_others() -> None:
    a, b = await pair()
    b.files.capacity = 100_000
    b.write("own.bin", b"\0" * 96_000)
    a.write("small.md", "x\n")
    await sync(a, b)
    assert list(b.tree()) == ["own.bin"]
    assert b.space.problems["small.md"].kind == "full"
    assert a.read("own.bin") == b"\0" * 96_000
    b.delete("own.bin")
    await sync(a, b)
    assert list(b.tree()) == ["small.md"]
    assert not b.space.problems
