"""The folder of the index on a real disk."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FolderShelf", "flush"]

_FULL_FLUSH: Final = 51
"""macOS's F_FULLFSYNC: its fsync leaves bytes in the drive's cache."""


class FolderShelf:
    """Keeps files in a folder. See Shelf.

    Args:
        folder: the folder; only this user's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes:
        """See Shelf."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return b""

    def append(self, name: str, data: bytes) -> None:
        """See Shelf. Where not all of it can be written, what there was before is there again."""
        path = self._folder / name
        is_new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            try:
                _write(descriptor, data)
                flush(descriptor)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        if is_new:
            self._flush_folder()

    def replace(self, name: str, data: bytes) -> None:
        """See Shelf."""
        path, fresh = self._folder / name, self._folder / f"{name}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write(descriptor, data)
            flush(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(path)
        self._flush_folder()

    def set_aside(self, name: str) -> str:
        """See Shelf."""
        number = 1
        while (self._folder / f"{name}.damaged-{number}").exists():
            number += 1
        aside = f"{name}.damaged-{number}"
        (self._folder / name).rename(self._folder / aside)
        self._flush_folder()
        return aside

    def _flush_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def flush(descriptor: int) -> None:
    """Put what was written to a file on the disk. Raises: OSError."""
    if hasattr(fcntl, "F_FULLFSYNC"):
        fcntl.fcntl(descriptor, _FULL_FLUSH)
    else:
        os.fsync(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
