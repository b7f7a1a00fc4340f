"""Scenarios on real files: nodes that share a folder, each with the index in its own process."""

from __future__ import annotations

import os
import shutil
import unicodedata
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from clawmatrix_core.testing.fixtures import wait_until
from tests.plugins.knowledge.two import Two, files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]

LONG = 30.0


@pytest.fixture
def two(node_factory: NodeFactory, tmp_path: Path) -> Two:
    made = Two(node_factory, tmp_path)
    for name in ("home", "office"):
        made.root(name).mkdir()
    return made


async def alike(two: Two, wanted: dict[str, bytes] | None = None) -> None:
    """Wait until both nodes have the same files, and know the same of them."""
    home, office = two.root("home"), two.root("office")

    def are() -> bool:
        there = files(home)
        if there != files(office) or wanted not in (None, there):
            return False
        spaces = [two.space(name) for name in ("home", "office")]
        heads = [sorted(space.index.heads) for space in spaces]
        known = [space.index.graph for space in spaces]
        return heads[0] == heads[1] and not any(one.unsettled() for one in known)

    await wait_until(are, limit=LONG)


@asynccontextmanager
async def at_rest(two: Two) -> AsyncIterator[None]:
    """Let both nodes look at nothing meanwhile."""
    for name in ("home", "office"):
        await two.space(name).pause(paused=True)
    yield
    for name in ("home", "office"):
        await two.plugins[name].methods().resume({})


@pytest.mark.parametrize("running", [False, True])
async def test_ten_lines_each_in_turn_before_any_scan(two: Two, running: bool) -> None:
    notes = [two.root(name) / "memory" / "day.md" for name in ("home", "office")]
    notes[0].parent.mkdir()
    notes[0].write_text("# day\n")
    lines = [f"{number} of {side}\n" for number in range(10) for side in (0, 1)]

    def append() -> None:
        for line in lines:
            with notes[int(line[-2])].open("a") as file:
                file.write(line)

    async with two.both():
        await wait_until(notes[1].exists, limit=LONG)
        if running:
            async with at_rest(two):
                append()
    if not running:
        append()
    async with two.both():
        await alike(two)
        (there,) = files(two.root("home")).values()
        assert sorted(there.decode().splitlines(keepends=True)) == sorted(["# day\n", *lines])


@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
async def test_a_full_folder_that_joins(two: Two, full: bool) -> None:
    home, office = two.root("home"), two.root("office")
    for number in range(60):
        (home / f"{number}.md").write_text(f"{number}\n")
    if full:
        for number in range(30, 90):
            text = f"{number}\n" if number % 2 else f"{number} of office\n"
            (office / f"{number}.md").write_text(text)
    both = [*files(home).values(), *files(office).values()]
    async with two.both():
        await wait_until(lambda: two.states("home") == {"office": "open"}, limit=LONG)
        await wait_until(lambda: len(files(home)) >= (90 if full else 60), limit=LONG)
        await alike(two)
    assert set(files(home).values()) >= set(both)
    # 15 of those that both had were other ones: they are kept twice.
    assert len(files(home)) == (90 + 15 if full else 60)


async def test_one_name_in_two_unicode_forms(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    name = "Grüße/café.md"
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    for root, form in zip((home, office), forms, strict=True):
        (root / form).parent.mkdir()
        (root / form).write_text("both\n")
    async with two.both():
        await wait_until(lambda: two.states("home") == {"office": "open"}, limit=LONG)
        spaces = [two.space(name) for name in ("home", "office")]
        await wait_until(lambda: all(len(one.local) == 1 for one in spaces), limit=LONG)
        (office / forms[1]).write_text("edited at office\n")
        await wait_until(lambda: (home / forms[0]).read_text() == "edited at office\n", limit=LONG)
        (home / forms[0]).write_text("edited at home\n")
        await wait_until(lambda: (office / forms[1]).read_text() == "edited at home\n", limit=LONG)
        assert [len(files(root)) for root in (home, office)] == [1, 1]
        (home / forms[0]).unlink()
        await wait_until(lambda: not files(office), limit=LONG)
        known = len(two.space("home").index.graph)
        for one in ("home", "office"):
            two.plugins[one].keepers["notes"].rescan()
        (home / "after.md").write_text("x\n")
        await wait_until(lambda: list(files(office)) == ["after.md"], limit=LONG)
        assert list(files(home)) == ["after.md"]
        assert len(two.space("office").index.graph) == known + 1


async def test_a_file_of_50_megabytes_that_grows_for_five_seconds(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    path = home / "video.bin"

    def grow() -> None:
        with path.open("ab") as file:
            file.write(os.urandom(1024**2))

    async with two.both():
        await wait_until(lambda: two.states("home") == {"office": "open"}, limit=LONG)
        for _ in range(50):
            await anyio.to_thread.run_sync(grow)
            await anyio.sleep(0.1)  # it is the time that this is about
        await wait_until(lambda: (office / path.name).exists(), limit=LONG)
        await wait_until(lambda: (office / path.name).stat().st_size == 50 * 1024**2, limit=LONG)
        await alike(two)
        assert list(files(home)) == ["video.bin"]


async def test_a_picture_that_is_edited_on_both_nodes_in_20_rounds(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    (home / "face.png").write_bytes(b"\0")
    async with two.both():
        await wait_until(lambda: two.states("home") == {"office": "open"}, limit=LONG)
        await alike(two, {"face.png": b"\0"})
        deleted: set[str] = set()
        for number in range(20):
            async with at_rest(two):
                for root, side in ((home, b"home"), (office, b"office")):
                    (root / "face.png").write_bytes(b"\0%d of %s" % (number, side))
            await wait_until(lambda: len(files(home)) == 2 == len(files(office)), limit=LONG)
            await alike(two)
            there = files(home)
            assert set(there.values()) == {
                b"\0%d of %s" % (number, side) for side in (b"home", b"office")
            }
            (copy,) = there.keys() - {"face.png"}
            assert copy.count("conflict") == 1
            assert copy not in deleted
            deleted.add(copy)
            (home / copy).unlink()
            await wait_until(lambda: list(files(office)) == ["face.png"], limit=LONG)
    async with two.both():
        await wait_until(lambda: two.states("home") == {"office": "open"}, limit=LONG)
        await alike(two)
        assert list(files(home)) == ["face.png"]


async def test_an_unmounted_root_with_a_marker_that_was_made_again(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    async with two.both():
        for number in range(4):
            (home / f"{number}.md").write_text(f"{number}\n")
        await wait_until(lambda: len(files(office)) == 4, limit=LONG)
    away = home.with_name("away")
    home.rename(away)
    home.mkdir()
    shutil.copytree(away / ".clawmatrix", home / ".clawmatrix")
    async with two.both():
        keeper = two.plugins["home"].keepers["notes"]
        await wait_until(lambda: keeper.state == "emptied", limit=LONG)
        assert len(files(office)) == 4
        assert not files(home)
        shutil.rmtree(home)
        away.rename(home)
        await wait_until(lambda: keeper.state == "running", limit=LONG)
        (office / "0.md").write_text("new\n")
        await wait_until(lambda: (home / "0.md").read_text() == "new\n", limit=LONG)
        await alike(two)
        assert len(files(home)) == 4
