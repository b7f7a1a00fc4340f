"""Which version each file on the disk is, as this node last knew. Durable, and written last.

A file is only taken for edited or deleted where it was this version before; what is not here is
taken for a file that was there all along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clawmatrix_knowledge.versions import VersionId  # noqa: TC001 - read from the annotation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clawmatrix_knowledge.files.port import Stat

__all__ = ["Local", "Seen", "read_local"]

FORMAT: Final = 1


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """A file on the disk, as it was when it was last looked at.

    Attributes:
        version: which version of the index it is.
        content: the id of its bytes.
        size: bytes.
        mtime: when its bytes changed, nanoseconds.
        ctime: when anything about it changed, nanoseconds.
        inode: which file it is.
        executable: whether it may be run.
        looked: when it was read, nanoseconds since 1970.
    """

    version: VersionId
    content: str
    size: int
    mtime: int
    ctime: int
    inode: int
    executable: bool
    looked: int = 0

    def is_still(self, stat: Stat) -> bool:
        """Say whether a file was not touched since, so that its bytes need not be read.

        A file that changed in the moment in which it was read may have changed again.
        """
        return (
            stat.kind == "file"
            and (stat.size, stat.mtime, stat.ctime, stat.inode, stat.executable)
            == (self.size, self.mtime, self.ctime, self.inode, self.executable)
            and self.ctime + _TICK < self.looked
        )


_TICK: Final = 20_000_000
"""Nanoseconds in which a file system may give two changes the same time."""


class _File(msgspec.Struct, frozen=True):
    format: int
    files: dict[str, Seen]


class Local:
    """The files of a workspace, by path."""

    def __init__(self, files: Mapping[str, Seen] | None = None) -> None:
        self._files = dict(files or {})
        self.changed = False

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def get(self, path: str) -> Seen | None:
        """Return what is known of a file."""
        return self._files.get(path)

    def put(self, path: str, seen: Seen) -> None:
        """Note a file."""
        if self._files.get(path) != seen:
            self._files[path] = seen
            self.changed = True

    def drop(self, path: str) -> None:
        """Note that a file is not there any more."""
        if self._files.pop(path, None) is not None:
            self.changed = True

    def encode(self) -> bytes:
        """Return what is to be stored."""
        return msgspec.msgpack.encode(_File(FORMAT, self._files))


def read_local(data: bytes) -> Local | None:
    """Return what was stored; None where there is nothing that reads, which is as if lost."""
    try:
        found = msgspec.msgpack.decode(data, type=_File)
    except msgspec.MsgspecError:
        return None
    return Local(found.files) if found.format == FORMAT else None
