"""The file system of this machine. See port."""

from __future__ import annotations

import errno
import fcntl
import os
import stat as modes
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import anyio.to_thread

from clawmatrix_knowledge.files.port import (
    AT_ONCE,
    Entry,
    Handle,
    Kind,
    Names,
    NotRegular,
    OpenAs,
    Space,
    Stat,
    check_names,
)
from clawmatrix_knowledge.files.renaming import exchange, rename_new

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

__all__ = ["RealFiles", "flush"]

T = TypeVar("T")
_FULL_FLUSH: Final = 51
"""macOS's F_FULLFSYNC: its fsync leaves bytes in the drive's cache."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Where a folder is only passed through, the right to do so is enough.
_THROUGH: Final = os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY)
_SAFE: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OPEN: Final[dict[OpenAs, int]] = {
    "read": os.O_RDONLY | _SAFE,
    "write": os.O_RDWR | _SAFE,
    "new": os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFE,
}


class RealFiles:
    """A folder of this machine, opened anew for each call, so that it can be unmounted.

    Args:
        root: the folder. Links on the way to it are followed, and none below it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._inode: int | None = None
        self._limiter: anyio.CapacityLimiter | None = None

    def pin(self, inode: int | None) -> None:
        """Refuse any other folder in the root's place from now on, with ESTALE; None allows all."""
        self._inode = inode

    def list(self, folder: Names) -> Sequence[Entry]:
        """See Files."""
        with self._folder(folder, _FOLDER | os.O_NOFOLLOW) as opened:
            found = (_entry(opened, name) for name in os.listdir(opened))
            return [entry for entry in found if entry is not None]

    def stat(self, names: Names) -> Stat | None:
        """See Files."""
        if not names:
            with self._folder((), _FOLDER) as opened:
                return _stat(os.fstat(opened))
        with self._parent(names) as opened:
            try:
                return _stat(os.stat(names[-1], dir_fd=opened, follow_symlinks=False))
            except FileNotFoundError:
                return None

    def open(self, names: Names, how: OpenAs = "read") -> Handle:
        """See Files."""
        with self._parent(names) as opened:
            if how != "new":
                # Some devices act when they are opened.
                _check_regular(os.stat(names[-1], dir_fd=opened, follow_symlinks=False), names)
            descriptor = os.open(names[-1], _OPEN[how], 0o666, dir_fd=opened)
        try:
            _check_regular(os.fstat(descriptor), names)
        except BaseException:
            os.close(descriptor)
            raise
        return _RealHandle(descriptor)

    def make_folder(self, names: Names, mode: int = 0o777) -> None:
        """See Files."""
        with self._parent(names) as opened:
            os.mkdir(names[-1], mode, dir_fd=opened)

    def protect_folder(self, names: Names) -> None:
        """See Files."""
        with self._folder(names, _FOLDER | os.O_NOFOLLOW) as opened:
            os.fchmod(opened, 0o700)

    def remove_folder(self, names: Names) -> None:
        """See Files."""
        with self._parent(names) as opened:
            os.rmdir(names[-1], dir_fd=opened)

    def exchange(self, one: Names, other: Names) -> None:
        """See Files."""
        with self._parent(one) as first, self._parent(other) as second:
            exchange(first, one[-1], second, other[-1])

    def rename(self, old: Names, new: Names) -> None:
        """See Files."""
        with self._parent(old) as first, self._parent(new) as second:
            os.rename(old[-1], new[-1], src_dir_fd=first, dst_dir_fd=second)

    def rename_new(self, old: Names, new: Names) -> None:
        """See Files."""
        with self._parent(old) as first, self._parent(new) as second:
            rename_new(first, old[-1], second, new[-1])

    def link(self, old: Names, new: Names) -> None:
        """See Files."""
        with self._parent(old) as first, self._parent(new) as second:
            os.link(old[-1], new[-1], src_dir_fd=first, dst_dir_fd=second, follow_symlinks=False)

    def unlink(self, names: Names) -> None:
        """See Files."""
        with self._parent(names) as opened:
            os.unlink(names[-1], dir_fd=opened)

    def sync_folder(self, names: Names) -> None:
        """See Files."""
        with self._folder(names, _FOLDER | os.O_NOFOLLOW) as opened:
            try:
                os.fsync(opened)
            except OSError as error:
                # Some file systems of networks put names down of their own accord.
                if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                    raise

    def space(self) -> Space:
        """See Files."""
        found = os.statvfs(self.root)
        return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)

    async def run(self, function: Callable[[], T]) -> T:
        """See Files."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(AT_ONCE)
        return await anyio.to_thread.run_sync(function, limiter=self._limiter)

    async def run_all(self, functions: Sequence[Callable[[], T]]) -> Sequence[T]:
        """See Files."""
        results: dict[int, T] = {}

        async def some(first: int) -> None:
            numbers = range(first, len(functions), AT_ONCE)
            found = await self.run(lambda: [(number, functions[number]()) for number in numbers])
            results.update(found)

        async with anyio.create_task_group() as tasks:
            for first in range(min(AT_ONCE, len(functions))):
                tasks.start_soon(some, first)
        return [results[number] for number in range(len(functions))]

    @contextmanager
    def _parent(self, names: Names) -> Iterator[int]:
        check_names(names)
        if not names:
            raise OSError(errno.EINVAL, "is the root", str(self.root))
        with self._folder(names[:-1]) as opened:
            yield opened

    @contextmanager
    def _folder(self, names: Names, flags: int = _THROUGH) -> Iterator[int]:
        """Open a folder, name by name, so that none can be exchanged for a link."""
        check_names(names)
        descriptor = os.open(self.root, _FOLDER)
        try:
            self._check_root(descriptor)
            for number, name in enumerate(names, 1):
                how = flags if number == len(names) else _THROUGH
                above, descriptor = descriptor, os.open(name, how, dir_fd=descriptor)
                os.close(above)
            yield descriptor
        finally:
            os.close(descriptor)

    def _check_root(self, descriptor: int) -> None:
        if self._inode is not None and os.fstat(descriptor).st_ino != self._inode:
            raise OSError(errno.ESTALE, "is another folder than before", str(self.root))


class _RealHandle:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def stat(self) -> Stat:
        return _stat(os.fstat(self._descriptor))

    def read(self, offset: int, size: int) -> bytes:
        data = os.pread(self._descriptor, size, offset)
        while data and len(data) < size:
            more = os.pread(self._descriptor, size - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def write(self, offset: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            offset, view = offset + written, view[written:]

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def set(self, mode: int | None, mtime: int | None) -> None:
        if mode is not None:
            os.fchmod(self._descriptor, mode)
        if mtime is not None:
            os.utime(self._descriptor, ns=(mtime, mtime))

    def sync(self) -> None:
        flush(self._descriptor)

    def __enter__(self) -> Handle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)


def flush(descriptor: int) -> None:
    """Put what was written to a file on the disk. Raises: OSError."""
    if hasattr(fcntl, "F_FULLFSYNC"):
        fcntl.fcntl(descriptor, _FULL_FLUSH)
    else:
        os.fsync(descriptor)


def _entry(folder: int, name: str) -> Entry | None:
    """Say what a name in a folder is; None, where it has just gone."""
    try:
        return Entry(name, _stat(os.stat(name, dir_fd=folder, follow_symlinks=False)))
    except FileNotFoundError:
        return None
    except OSError as error:
        return Entry(name, None, error)


def _check_regular(found: os.stat_result, names: Names) -> None:
    if not modes.S_ISREG(found.st_mode):
        raise NotRegular("/".join(names))


def _stat(found: os.stat_result) -> Stat:
    return Stat(
        kind=_kind(found.st_mode),
        size=found.st_size,
        mtime=found.st_mtime_ns,
        ctime=found.st_ctime_ns,
        inode=found.st_ino,
        device=found.st_dev,
        mode=modes.S_IMODE(found.st_mode),
        links=found.st_nlink,
    )


def _kind(mode: int) -> Kind:
    if modes.S_ISREG(mode):
        return "file"
    if modes.S_ISDIR(mode):
        return "folder"
    return "link" if modes.S_ISLNK(mode) else "other"
