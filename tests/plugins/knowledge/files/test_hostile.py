"""Whatever a peer sends or a program does, only regular files below the root are touched."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
import pytest

from clawmatrix_knowledge.files.port import NotRegular
from clawmatrix_knowledge.files.real import RealFiles
from clawmatrix_knowledge.files.scanning import scan
from clawmatrix_knowledge.files.tree import Changed, Tree
from clawmatrix_knowledge.paths import PathError, check_path
from tests.plugins.knowledge.files.conftest import tokens
from tests.plugins.knowledge.files.helpers import temporary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clawmatrix_knowledge.files.port import Names, Stat

pytestmark = [pytest.mark.anyio]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root, beside which is a file that nobody may touch."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.md").write_text("outside")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
async def tree(root: Path) -> Tree:
    return await Tree.open(RealFiles(root), tokens())


@pytest.fixture(autouse=True)
async def _outside_is_untouched(root: Path) -> AsyncIterator[None]:
    yield
    outside = root.parent / "outside"
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("a.md", "outside")]


class Meddler(RealFiles):
    """The real file system, with a program that acts right before one of its functions."""

    def __init__(self, root: Path, does: str, act: Callable[[], None]) -> None:
        super().__init__(root)
        self._does, self._act, self._acts = does, act, False

    def arm(self) -> None:
        self._acts = True

    def _meddle(self, does: str) -> None:
        if self._acts and does == self._does:
            self._acts = False
            self._act()

    def exchange(self, one: Names, other: Names) -> None:
        self._meddle("exchange")
        super().exchange(one, other)

    def rename_new(self, old: Names, new: Names) -> None:
        self._meddle("rename_new")
        super().rename_new(old, new)

    def unlink(self, names: Names) -> None:
        self._meddle("unlink")
        super().unlink(names)


@pytest.mark.parametrize(
    "path",
    [
        "../outside/a.md",
        "x/../../outside/a.md",
        "/etc/passwd",
        "//server/share",
        "a\0.md",
        "a//b",
        "./a",
        "a/.",
        "n" * 256,
        "/".join("n" * 65),
        "n/" * 600 + "n",
        "a\nb",
        "a\x9b",
        ".clawmatrix/knowledge.log",
        "deep/.ClawMatrix/x",
        "\udcff.md",
        "",
    ],
)
async def test_a_path_that_is_no_path_is_refused(tree: Tree, path: str) -> None:
    with pytest.raises(PathError):
        check_path(path)
    put = await tree.put(path, b"evil", None)
    assert (put.done, put.problem is not None) == (False, True)
    assert temporary(tree) == []
    assert {entry.name for entry in tree.files.list(())} == {".clawmatrix"}


async def test_drive_letters_and_backslashes_are_letters_of_a_name(tree: Tree, root: Path) -> None:
    for path in ("C:evil.md", "..\\..\\evil.md"):
        assert (await tree.put(path, b"x", None)).done
        assert (root / path).read_text() == "x"


async def test_a_link_above_a_path_is_not_followed(tree: Tree, root: Path) -> None:
    (root / "linked").symlink_to(root.parent / "outside")
    stat = _stat(root.parent / "outside" / "a.md", tree)
    for path in ("linked/a.md", "linked/new.md", "linked/deep/new.md"):
        put = await tree.put(path, b"evil", stat if path == "linked/a.md" else None)
        assert put.problem is not None
        assert put.problem.kind == "blocked"
    removed = await tree.remove("linked/a.md", stat)
    assert removed.problem is not None
    with pytest.raises(Changed, match="symbolic link"):
        await anext(tree.read("linked/a.md"))
    assert temporary(tree) == []


async def test_a_link_at_a_path_is_not_followed(tree: Tree, root: Path) -> None:
    (root / "a.md").symlink_to(root.parent / "outside" / "a.md")
    stat = _stat(root.parent / "outside" / "a.md", tree)
    for expected in (None, stat, tree.files.stat(("a.md",))):
        put = await tree.put("a.md", b"evil", expected)
        assert not put.done
        assert put.stat is not None
        assert put.stat.kind == "link"
    with pytest.raises(OSError, match="regular"):
        await anext(tree.read("a.md"))
    assert (root / "a.md").is_symlink()


@pytest.mark.parametrize("does", ["exchange", "rename_new"])
async def test_a_folder_that_becomes_a_link_in_between_is_not_followed(
    root: Path, does: str
) -> None:
    (root / "deep").mkdir()
    (root / "deep" / "a.md").write_text("old")

    def swap() -> None:
        (root / "deep").rename(root / "aside")
        (root / "deep").symlink_to(root.parent / "outside")

    files = Meddler(root, does, swap)
    tree = await Tree.open(files, tokens())
    stat = await tree.stat("deep/a.md")
    files.arm()
    path, expected = ("deep/a.md", stat) if does == "exchange" else ("deep/new.md", None)
    put = await tree.put(path, b"evil", expected)
    assert not put.done
    assert put.problem is not None
    assert (root / "aside" / "a.md").read_text() == "old"
    assert temporary(tree) == []


async def test_a_file_that_becomes_a_link_in_between_is_put_back(root: Path) -> None:
    (root / "a.md").write_text("old")

    def swap() -> None:
        (root / "a.md").unlink()
        (root / "a.md").symlink_to(root.parent / "outside" / "a.md")

    files = Meddler(root, "exchange", swap)
    tree = await Tree.open(files, tokens())
    stat = await tree.stat("a.md")
    files.arm()
    put = await tree.put("a.md", b"evil", stat)
    assert not put.done
    assert (root / "a.md").is_symlink()
    assert temporary(tree) == []


async def test_pipes_sockets_and_devices_are_not_opened(tree: Tree, root: Path) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(root)
        listener.bind("socket")
        os.chdir(here)
    names = ["pipe", "socket"]
    if os.geteuid() == 0:
        os.mknod(root / "device", 0o600 | 0o020000, os.makedev(1, 5))
        names.append("device")
    with anyio.fail_after(10):
        for name in names:
            with pytest.raises(NotRegular):
                await anext(tree.read(name))
            put = await tree.put(name, b"x", None)
            assert put.stat is not None
            assert put.stat.kind == "other"
        found = await scan(tree, {})
    assert {problem.path: problem.kind for problem in found.problems} == dict.fromkeys(
        names, "special"
    )


async def test_a_pipe_that_comes_between_look_and_open_does_not_block(
    tree: Tree, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a.md").write_text("x")
    real = os.open

    def swap(path: str, *rest: int, **more: int) -> int:
        if path == "a.md":
            (root / "a.md").unlink()
            os.mkfifo(root / "a.md")
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", swap)
    with anyio.fail_after(10), pytest.raises(NotRegular):
        await anext(tree.read("a.md"))


async def test_a_second_name_keeps_its_bytes_when_the_first_is_replaced(
    tree: Tree, root: Path
) -> None:
    (root / "a.md").write_text("old")
    os.link(root / "a.md", root.parent / "linked.md")
    put = await tree.put("a.md", b"new", await tree.stat("a.md"))
    assert put.done
    assert (root.parent / "linked.md").read_text() == "old"


async def test_a_file_without_an_end_ends_and_is_told(tree: Tree, root: Path) -> None:
    path, stop = root / "endless.log", threading.Event()
    path.write_bytes(b"x" * 3_000_000)

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            while not stop.is_set() and file.tell() < 200_000_000:
                file.write(b"y" * 50_000)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with anyio.fail_after(20):
            found = await scan(tree, {})
            with pytest.raises(Changed):
                async for _ in tree.read("endless.log"):
                    pass
    finally:
        stop.set()
        await anyio.to_thread.run_sync(writer.join)
    assert [problem.kind for problem in found.problems] == ["moving"]
    assert found.changed == {}


async def test_another_root_in_the_place_of_the_first_is_refused(tree: Tree, root: Path) -> None:
    files = tree.files
    assert isinstance(files, RealFiles)
    found = files.stat(())
    assert found is not None
    files.pin(found.inode)
    away = root.parent / "away"
    os.rename(root, away)
    os.mkdir(root)
    with pytest.raises(OSError, match="another folder"):
        await scan(tree, {})
    put = await tree.put("a.md", b"x", None)
    assert put.problem is not None
    assert os.listdir(root) == []
    os.rmdir(root)
    os.rename(away, root)
    assert (await tree.put("a.md", b"x", None)).done


async def test_a_file_that_cannot_grow_is_told_and_leaves_nothing(tree: Tree) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        put = await tree.put("a.bin", b"x" * 200_000, None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (put.done, put.problem is not None) == (False, True)
    assert temporary(tree) == []


def _stat(path: Path, tree: Tree) -> Stat:
    found = RealFiles(path.parent).stat((path.name,))
    assert found is not None
    return found
