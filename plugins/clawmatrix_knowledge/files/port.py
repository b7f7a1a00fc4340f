"""What a file system has to do for a workspace. A small port, so that one in memory can fail.

Its functions block, and raise OSError. Places are given as names from the root on, as they are on
the disk; names that are not UTF-8 come with surrogate escapes. No component may be a symbolic link.
"""

from __future__ import annotations

import errno
import stat as modes
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

__all__ = [
    "AT_ONCE",
    "Entry",
    "Files",
    "Handle",
    "Kind",
    "Names",
    "NotRegular",
    "OpenAs",
    "Space",
    "Stat",
    "check_names",
]

T = TypeVar("T")
Names: TypeAlias = tuple[str, ...]
"""A place: the names from the root on, none for the root itself."""
Kind: TypeAlias = Literal["file", "folder", "link", "other"]
"""``link`` is a symbolic link; ``other`` a pipe, a socket or a device."""
OpenAs: TypeAlias = Literal["read", "write", "new"]
AT_ONCE: Final = 16
"""Functions that run at once, so that the disk has several files to put down."""


class NotRegular(OSError):
    """What was to be opened is no regular file."""

    def __init__(self, name: str) -> None:
        super().__init__(errno.EINVAL, "is not a regular file", name)


@attrs.frozen
class Stat:
    """What a file system says of a file.

    Attributes:
        kind: what it is.
        size: bytes.
        mtime: when its bytes changed, nanoseconds since 1970.
        ctime: when anything about it changed, also its name; nanoseconds since 1970.
        inode: its number on its device.
        device: the number of its device; may change when the machine starts.
        mode: its permission bits.
        links: how many names it has.
    """

    kind: Kind
    size: int
    mtime: int
    ctime: int
    inode: int
    device: int
    mode: int
    links: int

    @property
    def executable(self) -> bool:
        """Whether its owner may run it."""
        return bool(self.mode & modes.S_IXUSR)

    def is_as(self, other: Stat) -> bool:
        """Say whether nothing changed between two looks at one name."""
        return self.ctime == other.ctime and self.is_content_as(other)

    def is_content_as(self, other: Stat) -> bool:
        """Say whether it is the same file with the same bytes, even where it was moved between."""
        return (
            self.kind == other.kind
            and self.inode == other.inode
            and self.size == other.size
            and self.mtime == other.mtime
            and self.executable == other.executable
        )


@attrs.frozen
class Entry:
    """A name in a folder. Where the file system says nothing of it, ``error`` says why."""

    name: str
    stat: Stat | None
    error: OSError | None = None


@attrs.frozen
class Space:
    """Bytes of a disk that are free, for anybody and not only root, and all."""

    free: int
    total: int


class Handle(Protocol):
    """An open regular file. It ends a ``with``."""

    def stat(self) -> Stat:
        """Say what it is now."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes from an offset on, fewer only where it ends."""
        ...

    def write(self, offset: int, data: bytes) -> None:
        """Write all of some bytes at an offset."""
        ...

    def truncate(self, size: int) -> None:
        """Cut it, or fill it up with zeros."""
        ...

    def set(self, mode: int | None, mtime: int | None) -> None:
        """Set its permission bits and when it was changed; None leaves them."""
        ...

    def sync(self) -> None:
        """Put what was written on the disk."""
        ...

    def __enter__(self) -> Handle: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Files(Protocol):
    """A folder of a file system, the root, and all below it."""

    def list(self, folder: Names) -> Sequence[Entry]:
        """Return all that is in a folder, in no order. It raises where it cannot see all of it."""
        ...

    def stat(self, names: Names) -> Stat | None:
        """Say what is at a place, links not followed; None, where its folder has no such name.

        Raises: NotADirectoryError, where something above it is no folder; FileNotFoundError,
            where a folder above it is not there.
        """
        ...

    def open(self, names: Names, how: OpenAs = "read") -> Handle:
        """Open a regular file. Raises: NotRegular; FileExistsError, where a new one is there."""
        ...

    def make_folder(self, names: Names, mode: int = 0o777) -> None:
        """Make a folder; the user's mask takes bits of its mode away."""
        ...

    def protect_folder(self, names: Names) -> None:
        """Let nobody but the user into a folder."""
        ...

    def remove_folder(self, names: Names) -> None:
        """Remove a folder that is empty."""
        ...

    def exchange(self, one: Names, other: Names) -> None:
        """Let two names trade what they stand for, in one step."""
        ...

    def rename(self, old: Names, new: Names) -> None:
        """Give a file another name; what had that name is gone."""
        ...

    def rename_new(self, old: Names, new: Names) -> None:
        """Give a file another name. Raises: FileExistsError, where the name is taken."""
        ...

    def link(self, old: Names, new: Names) -> None:
        """Give a file a second name. Raises: FileExistsError, where the name is taken."""
        ...

    def unlink(self, names: Names) -> None:
        """Take a name of a file away."""
        ...

    def sync_folder(self, names: Names) -> None:
        """Put the names in a folder on the disk."""
        ...

    def space(self) -> Space:
        """Say how much room is left."""
        ...

    async def run(self, function: Callable[[], T]) -> T:
        """Call what blocks where it does no harm. It goes on to its end when cancelled."""
        ...

    async def run_all(self, functions: Sequence[Callable[[], T]]) -> Sequence[T]:
        """Call several, ``AT_ONCE`` of them at once, and return what they return, in order."""
        ...


def check_names(names: Names) -> None:
    """Raises: OSError, where a name could lead out of the root."""
    for name in names:
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise OSError(errno.EINVAL, "is no name", name)
