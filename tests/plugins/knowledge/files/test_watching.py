"""Edits are noticed at once, and new folders are looked at until nothing of them is missing."""

from __future__ import annotations

import os
import sys
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_knowledge.files.real import RealFiles
from clawmatrix_knowledge.files.scanning import scan
from clawmatrix_knowledge.files.tree import Tree
from clawmatrix_knowledge.files.watching import Watcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clawmatrix_knowledge.files.port import Names

SECONDS = 20.0
"""How long to wait for what has to be noticed."""

pytestmark = [pytest.mark.anyio]


class Notes:
    """What was noticed so far."""

    def __init__(self) -> None:
        self.places: set[Names] = set()
        self.unwatched: set[Names] = set()
        self.is_over = False
        self._changed = anyio.Event()

    async def follow(self, watcher: Watcher) -> None:
        async with aclosing(watcher.notices()) as notices:
            async for noticed in notices:
                self.places |= noticed.places
                self.unwatched |= noticed.unwatched
                self._tell()
        self.is_over = True
        self._tell()

    async def until_noticed(self, *names: str) -> None:
        with anyio.fail_after(20):
            while names not in self.places:
                await self._changed.wait()

    async def until_over(self) -> None:
        with anyio.fail_after(20):
            while not self.is_over:
                await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


@asynccontextmanager
async def watched(root: Path) -> AsyncIterator[tuple[Watcher, Notes]]:
    """Watch a folder; it is watched indeed when this begins."""
    watcher, notes = Watcher(root), Notes()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(notes.follow, watcher)
        with anyio.fail_after(20):
            number = 0
            while ("started",) not in notes.places:
                number += 1
                (root / "started").write_text(str(number))
                await anyio.sleep(0.05)
        try:
            yield watcher, notes
        finally:
            watcher.stop()


async def test_edits_and_deletions_are_noticed_and_the_own_folder_is_not(tmp_path: Path) -> None:
    (tmp_path / ".clawmatrix").mkdir()
    (tmp_path / "deep" / ".git").mkdir(parents=True)
    (tmp_path / "gone.md").write_text("x")
    async with watched(tmp_path) as (_, notes):
        (tmp_path / ".clawmatrix" / "x").write_text("x")
        (tmp_path / "deep" / ".git" / "x").write_text("x")
        (tmp_path / "gone.md").unlink()
        (tmp_path / "deep" / "a.md").write_text("x")
        await notes.until_noticed("gone.md")
        await notes.until_noticed("deep", ".git", "x")
        await notes.until_noticed("deep", "a.md")
    assert not any(".clawmatrix" in names for names in notes.places)


async def test_files_in_folders_just_made_are_all_found(tmp_path: Path) -> None:
    tree = await Tree.open(RealFiles(tmp_path))
    found: set[str] = set()
    wanted = {f"new/{n % 20}/{n % 7}/{n}.md" for n in range(400)}
    async with watched(tmp_path) as (_, notes):
        for path in wanted:
            os.makedirs((tmp_path / path).parent, exist_ok=True)
            (tmp_path / path).write_text("x")
        with anyio.fail_after(SECONDS):
            while not wanted <= found:
                places, notes.places = notes.places, set()
                found |= set((await scan(tree, {}, only=places)).changed)
                await anyio.sleep(0.05)


async def test_a_root_that_is_replaced_ends_the_watch(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    async with watched(root) as (_, notes):
        root.rename(tmp_path / "away")
        root.mkdir()
        await notes.until_over()


async def test_a_watch_that_is_stopped_ends_soon(tmp_path: Path) -> None:
    async with watched(tmp_path) as (watcher, notes):
        watcher.stop()
        with anyio.fail_after(2):
            await notes.until_over()


async def test_a_root_that_is_a_link_is_watched(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "root")
    async with watched(tmp_path / "link") as (_, notes):
        (tmp_path / "root" / "a.md").write_text("x")
        await notes.until_noticed("a.md")


_LIMITED = """
import anyio, pathlib, sys
from clawmatrix_knowledge.files.watching import Watcher
pathlib.Path("/proc/sys/user/max_inotify_watches").write_text(sys.argv[2])
root = pathlib.Path(sys.argv[1])
async def main():
    watcher = Watcher(root)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            async def make():
                for number in range(8):
                    await anyio.sleep(0.3)
                    (root / f"new{number}").mkdir()
            tasks.start_soon(make)
            async for noticed in watcher.notices():
                if noticed.unwatched:
                    first = min(noticed.unwatched)
                    print("unwatched", first[0][:3] if first else "root")
                    tasks.cancel_scope.cancel()
anyio.run(main)
"""


@pytest.mark.parametrize(
    ("limit", "said"), [("0", "unwatched root"), ("2", "unwatched a"), ("4", "unwatched new")]
)
async def test_what_the_system_does_not_watch_is_told(
    tmp_path: Path, limit: str, said: str
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").mkdir()
    unshare = ["unshare", "-Ur"]
    tried = await anyio.run_process([*unshare, "true"], check=False)
    if tried.returncode:
        pytest.skip("no user namespaces here")
    command = [*unshare, sys.executable, "-c", _LIMITED, str(tmp_path), limit]
    done = await anyio.run_process(command, check=False)
    assert done.stdout.decode().strip() == said, done.stderr.decode()
