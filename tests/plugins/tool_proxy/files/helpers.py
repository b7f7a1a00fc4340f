"""What the tests of the file tools share: roots, a user without rights, a small disk."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core import Config
from clawmatrix_tool_proxy.api import ToolCall, ToolError
from clawmatrix_tool_proxy.files.config import RootTable
from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.files.reading import ReadBytes, ReadLines
from clawmatrix_tool_proxy.files.roots import Roots
from clawmatrix_tool_proxy.files.tools import FileTools
from clawmatrix_tool_proxy.files.writing import edit_file, write_file
from clawmatrix_tool_proxy.own_places import OwnPlaces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

__all__ = [
    "Place",
    "as_ordinary_user",
    "bind_mount",
    "code_of",
    "own_places",
    "place_in",
    "small_disk",
]

NOBODY = 65534


def own_places(tmp_path: Path, *, written: bool = True) -> OwnPlaces:
    """Return those of a node whose state and configuration are in a folder."""
    state = tmp_path / "home" / "state"
    state.mkdir(parents=True, exist_ok=True)
    told = f'node_id = "office"\nsecret = "{"s" * 40}"\nstate_dir = "{state}"\n'
    file = tmp_path / "home" / "clawmatrix.toml"
    if written:
        file.write_text(told)
        file.chmod(0o600)
        return OwnPlaces(Config.load(file))
    return OwnPlaces(
        Config.from_mapping({"node_id": "office", "secret": "s" * 40, "state_dir": str(state)})
    )


@attrs.frozen
class Place:
    """Two roots that are open, ``code`` to write in and ``notes`` to read, and what is around."""

    tmp_path: Path
    roots: Roots

    @property
    def code(self) -> Path:
        return self.tmp_path / "code"

    @property
    def notes(self) -> Path:
        return self.tmp_path / "notes"

    @property
    def outside(self) -> Path:
        return self.tmp_path / "outside"

    def read(self, path: str, **more: Any) -> bytes:
        return self.reading(path, **more)[0]

    def reading(
        self, path: str, *, first: int = 1, most: int = 1024**2, count: int | None = None
    ) -> tuple[bytes, Any]:
        work = ReadLines(self.roots, RootPath.parse(path), first, most, count)
        return b"".join(work), work.facts

    def read_bytes(self, path: str, *, first: int = 0, most: int = 1024**2) -> tuple[bytes, Any]:
        work = ReadBytes(self.roots, RootPath.parse(path), first, most)
        return b"".join(work), work.facts

    def write(self, path: str, data: bytes = b"new", *, parents: bool = False) -> Any:
        return write_file(self.roots, RootPath.parse(path), data, parents=parents)

    def edit(self, path: str, old: str, new: str, *, every: bool = False) -> Any:
        return edit_file(self.roots, RootPath.parse(path), old, new, every=every)

    def tools(self, max_output: int = 1024**2) -> FileTools:
        return FileTools(self.roots, lambda: max_output)


@contextmanager
def place_in(tmp_path: Path, more: Mapping[str, RootTable] | None = None) -> Iterator[Place]:
    for name in ("code", "notes", "outside"):
        (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / "outside" / "secret.txt").write_text("outside")
    tables = {
        "code": RootTable(path=tmp_path / "code"),
        "notes": RootTable(path=tmp_path / "notes", write=False),
        **(more or {}),
    }
    with own_places(tmp_path) as own, Roots(tables, own) as roots:
        yield Place(tmp_path, roots)


def code_of(work: Callable[[], object]) -> str:
    """Return the code of the error that some work ends with; ``done`` without one."""
    try:
        work()
    except ToolError as error:
        return error.code
    return "done"


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Have no rights of root inside the block."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Put a disk of 64 KiB at a folder; says whether that could be done."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "clawmatrix-test", str(folder)]
    with _mounted(mount, folder) as done:
        yield done


@contextmanager
def bind_mount(source: Path, folder: Path) -> Iterator[bool]:
    """Show a folder at another place, too; says whether that could be done."""
    with _mounted(["mount", "--bind", str(source), str(folder)], folder) as done:
        yield done


@contextmanager
def _mounted(command: list[str], folder: Path) -> Iterator[bool]:
    done = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield done
    finally:
        if done:
            subprocess.run(["umount", str(folder)], check=True)


class Heard:
    """A caller that keeps what a tool writes."""

    def __init__(self, most: int = 2**40) -> None:
        self.data, self.most = bytearray(), most
        self.writes = 0

    async def write(self, data: bytes) -> bool:
        self.writes += 1
        self.data += data
        return len(self.data) <= self.most

    async def progress(self, text: str, *_: float | None) -> None:
        raise NotImplementedError

    def call(self, tool: str) -> ToolCall:
        return ToolCall(
            id="1", tool=tool, peer="home", key=None, write=self.write, progress=self.progress
        )
