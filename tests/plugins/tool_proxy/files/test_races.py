"""Somebody swaps folders, files and links while tools run; nothing outside is read or written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from clawmatrix_tool_proxy.api import ToolError
from clawmatrix_tool_proxy.files.listing import Listing
from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.files.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.plugins.tool_proxy.files.helpers import Place

ROUNDS = 600


class Escaped(AssertionError):
    """Something else was read than the file in the root."""


SWAP = """
import os, sys
at = os.open(sys.argv[1], os.O_RDONLY)
name, other = sys.argv[2:]
steps = ((name, "kept"), (other, name), (name, other), ("kept", name))
swaps = 0
os.set_blocking(0, False)
while True:
    for old, new in steps:
        os.rename(old, new, src_dir_fd=at, dst_dir_fd=at)
    swaps += 1
    try:
        if not os.read(0, 1):
            break
    except BlockingIOError:
        pass
print(swaps)
"""


class Swapper:
    """Puts one thing in the place of another one, and back, again and again: another process."""

    def __init__(self, folder: Path, name: str, other: str) -> None:
        self.swaps = 0
        self._program = [sys.executable, "-I", "-S", "-c", SWAP, str(folder), name, other]

    @contextmanager
    def running(self) -> Iterator[None]:
        pipe = subprocess.PIPE
        with subprocess.Popen(self._program, stdin=pipe, stdout=pipe, text=True) as process:
            try:
                yield
            finally:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.close()
                self.swaps = int(process.stdout.read())


def attack(read: Callable[[str], bytes], path: str, rounds: int = ROUNDS) -> Counter[str]:
    """Read a path again and again; return how each time ended. Raises: Escaped.

    It goes on until it was read and refused ten times each, so that no busy machine hides a race.
    """
    seen: Counter[str] = Counter()
    while seen.total() < rounds or not 10 < seen["done"] < seen.total() - 10:
        try:
            data = read(path)
        except ToolError as error:
            seen[error.code] += 1
        except OSError as error:
            seen[type(error).__name__] += 1
        else:
            if data != b"inside":
                raise Escaped(data)
            seen["done"] += 1
    return seen


@pytest.fixture
def trap(place: Place) -> Place:
    (place.code / "sub" / "deep").mkdir(parents=True)
    (place.outside / "deep").mkdir()
    for folder, text in ((place.code / "sub", "inside"), (place.outside, "outside")):
        (folder / "a").write_text(text)
        (folder / "deep" / "a").write_text(text)
    (place.code / "link").symlink_to(place.outside)
    (place.code / "file").write_text("inside")
    (place.code / "file-link").symlink_to(place.outside / "a")
    os.mkfifo(place.code / "pipe")
    return place


@pytest.mark.parametrize("path", ["code/sub/a", "code/sub/deep/a"])
def test_a_folder_that_becomes_a_link_leads_nowhere(trap: Place, path: str) -> None:
    swapper = Swapper(trap.code, "sub", "link")
    with swapper.running():
        seen = attack(trap.read, path)
    assert seen["done"] > 10
    assert seen["is_link"] + seen["wrong_kind"] + seen["not_found"] > 10
    assert swapper.swaps > 100


@pytest.mark.parametrize("other", ["file-link", "pipe", "sub"])
def test_a_file_that_becomes_something_else_is_not_opened(trap: Place, other: str) -> None:
    swapper = Swapper(trap.code, "file", other)
    with swapper.running():
        seen = attack(trap.read, "code/file")
    assert seen["done"] > 10
    assert seen["is_link"] + seen["wrong_kind"] > 10
    assert set(seen) <= {"done", "is_link", "wrong_kind", "not_found"}


def test_nothing_is_written_outside(trap: Place) -> None:
    before = {name: (trap.outside / name).stat() for name in os.listdir(trap.outside)}
    swapper = Swapper(trap.code, "sub", "link")
    with swapper.running():
        for work in (
            lambda: trap.write("code/sub/a", b"inside"),
            lambda: trap.write("code/sub/n"),
            lambda: trap.edit("code/sub/a", "in", "in"),
        ):
            done: Counter[str] = Counter()
            while done.total() < 80 or not 3 < done["done"] < done.total() - 3:
                done[_outcome(work)] += 1
    after = {name: (trap.outside / name).stat() for name in os.listdir(trap.outside)}
    assert after == before
    assert (trap.outside / "a").read_text() == "outside"


def _outcome(work: Callable[[], object]) -> str:
    try:
        work()
    except ToolError as error:
        return error.code
    return "done"


def test_a_list_that_goes_down_stays_inside(trap: Place) -> None:
    (trap.outside / "deep" / "found-outside").touch()
    swapper = Swapper(trap.code, "sub", "link")
    names: set[str] = set()
    with swapper.running():
        for _ in range(60):
            tree = Tree(8, 1.0, lambda: 0.0, ignored=True)
            listing = Listing(trap.roots, RootPath("code"), tree, 1000, 10**6)
            assert b"".join(listing) == b""
            names |= {entry["path"] for entry in listing.entries}
    assert "code/sub/deep/a" in names
    assert not [name for name in names if "outside" in name]


def test_what_is_checked_first_and_opened_then_escapes(trap: Place) -> None:
    """The tests above fail for a tool that looks at a path and then opens it."""

    def read(path: str) -> bytes:
        file = trap.tmp_path / path
        if not os.path.realpath(file).startswith(f"{trap.code}/"):
            raise ToolError(path, "is_link")
        return file.read_bytes()

    for name, other, path in (("sub", "link", "code/sub/a"), ("file", "file-link", "code/file")):
        swapper = Swapper(trap.code, name, other)
        with swapper.running(), pytest.raises(Escaped):
            attack(read, path, rounds=1_000_000)
