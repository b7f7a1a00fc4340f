"""What ``test_mounts`` runs where this process alone sees what is mounted."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.testing.fixtures import wait_until
from tests.plugins.knowledge.two import Two, files

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_knowledge.syncing.keeper import Keeper

pytestmark = [pytest.mark.anyio]

LONG = 12.0


@pytest.fixture
def two(node_factory: NodeFactory, tmp_path: Path) -> Two:
    made = Two(node_factory, tmp_path)
    for name in ("home", "office"):
        made.root(name).mkdir()
    return made


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


def keeper(two: Two, name: str) -> Keeper:
    return two.plugins[name].keepers["notes"]


async def until_alike(two: Two, count: int) -> None:
    home, office = two.root("home"), two.root("office")

    def are() -> bool:
        return len(files(home)) == count and files(home) == files(office)

    try:
        await wait_until(are, limit=LONG)
    except TimeoutError:
        told = [await two.plugins[name].methods().status({}) for name in two.plugins]
        raise AssertionError(f"{files(home)} {files(office)} {told}") from None


@pytest.mark.parametrize("min_free", [0.0, 0.05])
async def test_a_disk_that_fills_while_it_receives(two: Two, min_free: float) -> None:
    home, office = two.root("home"), two.root("office")
    two.options["min_free"] = min_free
    mount("-t", "tmpfs", "-o", "size=8m", "x", office)
    (office / ".ballast").write_bytes(bytes(5 * 1024**2))
    for number in range(10):
        (home / f"{number}.bin").write_bytes(bytes([0, number]) * 200_000)
    wanted = {path.name: path.read_bytes() for path in home.iterdir()}
    async with two.both():
        await wait_until(lambda: two.states("home") == {"office": "open"}, limit=LONG)

        def is_told() -> bool:
            space = keeper(two, "office").space
            full = [] if space is None else [one.kind for one in space.problems.values()]
            return "full" in full or "No space" in keeper(two, "office").why

        await wait_until(is_told, limit=LONG)
        there = {name: data for name, data in files(office).items() if name != ".ballast"}
        assert all(data == wanted[name] for name, data in there.items())
        assert len(there) < 10
        (office / ".ballast").unlink()
        keeper(two, "office").rescan()
        await until_alike(two, 10)
        assert files(home) == wanted


async def test_a_root_that_is_unmounted_and_comes_back(two: Two) -> None:
    home, office = two.root("home"), two.root("office")
    mount("-t", "tmpfs", "x", home)
    away = home.with_name("away")
    away.mkdir()
    async with two.both():
        for number in range(4):
            (home / f"{number}.md").write_text(f"{number}\n")
        await until_alike(two, 4)
        mount("--move", home, away)
        keeper(two, "home").rescan()
        await wait_until(lambda: keeper(two, "home").state == "emptied", limit=LONG)
        (office / "1.md").write_text("edited\n")
        assert len(files(office)) == 4
        assert not files(home)
        mount("--move", away, home)
        await wait_until(lambda: (home / "1.md").read_text() == "edited\n", limit=LONG)
        await until_alike(two, 4)


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_mount_inside_the_root_that_goes_and_comes_back(two: Two, restarts: bool) -> None:
    home = two.root("home")
    disk, away = home / "disk", home.with_name("away")
    for folder in (disk, away):
        folder.mkdir()
    mount("-t", "tmpfs", "x", disk)
    async with two.both():
        for path in (home / "a.md", disk / "b.md", disk / "deep" / "c.md"):
            path.parent.mkdir(exist_ok=True)
            path.write_text("1\n")
        await until_alike(two, 3)
        if not restarts:
            await goes_and_comes_back(two)
    if restarts:
        mount("--move", disk, away)
        async with two.both():
            await goes_and_comes_back(two, is_gone=True)


async def goes_and_comes_back(two: Two, *, is_gone: bool = False) -> None:
    home, office = two.root("home"), two.root("office")
    disk, away = home / "disk", home.with_name("away")
    if not is_gone:
        mount("--move", disk, away)
        keeper(two, "home").rescan()

    def is_told() -> bool:
        space = keeper(two, "home").space
        return space is not None and any(one.kind == "mount" for one in space.problems.values())

    await wait_until(is_told, limit=LONG)
    await wait_until(lambda: two.states("home") == {"office": "open"}, limit=LONG)
    (home / "a.md").write_text("2\n")
    await wait_until(lambda: (office / "a.md").read_text() == "2\n", limit=LONG)
    assert len(files(office)) == 3
    (office / "disk" / "b.md").write_text("edited at office\n")
    (office / "disk" / "new.md").write_text("new\n")
    (office / "a.md").write_text("3\n")
    await wait_until(lambda: (home / "a.md").read_text() == "3\n", limit=LONG)
    mount("--move", away, disk)
    keeper(two, "home").rescan()
    await wait_until(lambda: (disk / "b.md").read_text() == "edited at office\n", limit=LONG)
    await until_alike(two, 4)
    assert (office / "disk" / "b.md").read_text() == "edited at office\n"
