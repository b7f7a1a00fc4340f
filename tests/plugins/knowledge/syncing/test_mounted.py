"""A file system inside a workspace that goes while others go on."""

from __future__ import annotations

import pytest

from tests.plugins.knowledge.syncing.helpers import Machine, sync

pytestmark = [pytest.mark.anyio]


async def with_a_mount() -> tuple[Machine, Machine]:
    a, b = await Machine("a").start(), await Machine("b").start()
    with a.files.others():
        a.files.make_folder(("disk",))
    a.files.mount(("disk",))
    for path in ("out.md", "disk/1.md", "disk/2.md"):
        a.write(path, "1\n")
    await sync(a, b)
    assert a.tree() == b.tree()
    return a, b


@pytest.mark.parametrize("restarts", [False, True])
async def test_nothing_is_written_or_deleted_below_a_mount_that_is_away(restarts: bool) -> None:
    a, b = await with_a_mount()
    away = a.files.unmount(("disk",))
    if restarts:
        await a.start()
    b.write("disk/1.md", "edited\n")
    b.write("disk/new.md", "new\n")
    b.delete("disk/2.md")
    b.write("out.md", "2\n")
    await sync(a, b, scans=not restarts)
    await sync(a, b)
    assert a.tree() == {"out.md": b"2\n"}
    assert b.tree() == {"out.md": b"2\n", "disk/1.md": b"edited\n", "disk/new.md": b"new\n"}
    assert [one.kind for one in a.space.problems.values()] == ["mount"]
    a.files.put_node(("disk",), away)
    await sync(a, b)
    assert a.tree() == b.tree()
    assert b.tree() == {"out.md": b"2\n", "disk/1.md": b"edited\n", "disk/new.md": b"new\n"}
    assert not a.space.problems


async def test_nothing_is_written_below_a_mount_before_a_scan_has_missed_it() -> None:
    a, b = await with_a_mount()
    away = a.files.unmount(("disk",))
    b.write("disk/new.md", "new\n")
    await b.space.work()
    await sync(a, b, scans=False)
    assert a.tree() == {"out.md": b"1\n"}
    a.files.put_node(("disk",), away)
    await sync(a, b)
    assert a.tree() == b.tree()
    assert len(b.tree()) == 4


async def test_a_mount_whose_device_has_another_number_after_a_restart_is_the_same() -> None:
    a, b = await with_a_mount()
    a.files.mount(("disk",), 7)
    await a.start()
    b.write("disk/1.md", "edited\n")
    await sync(a, b)
    assert a.read("disk/1.md") == b"edited\n"
    assert not a.space.problems
