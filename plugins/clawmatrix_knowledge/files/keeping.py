"""Small files below ``.clawmatrix`` that survive a crash whole, on any file system of the port."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from clawmatrix_knowledge.files.traits import OWN

if TYPE_CHECKING:
    from clawmatrix_knowledge.files.port import Files, Handle, Names

__all__ = ["FilesShelf"]

_MODE: Final = 0o600
"""Permission bits: what the index knows is for this user alone."""


class FilesShelf:
    """Keeps files in a folder: the ``Shelf`` of the index, and of other state. Blocks.

    Its functions raise OSError.

    Args:
        files: the file system.
        folder: the folder, which is there; that of a workspace's state unless given.
    """

    def __init__(self, files: Files, folder: Names = OWN) -> None:
        self._files, self._folder = files, folder

    def read(self, name: str) -> bytes:
        """Return what a file holds, nothing where there is none."""
        try:
            with self._files.open((*self._folder, name)) as handle:
                return handle.read(0, handle.stat().size)
        except FileNotFoundError:
            return b""

    def append(self, name: str, data: bytes) -> None:
        """Add to a file; on return it is on the disk.

        After a crash a part of it may be there. Where not all of it can be written, what there
        was before is there again.
        """
        handle, is_new = self._opened(name)
        with handle:
            if is_new:
                handle.set(_MODE, None)
            size = handle.stat().size
            try:
                handle.write(size, data)
                handle.sync()
            except OSError:
                with suppress(OSError):
                    handle.truncate(size)
                raise
        if is_new:
            self._files.sync_folder(self._folder)

    def replace(self, name: str, data: bytes) -> None:
        """Put other bytes into a file; on return they are on the disk. A crash leaves either."""
        fresh = (*self._folder, f"{name}.new")
        with suppress(FileNotFoundError):
            self._files.unlink(fresh)
        with self._files.open(fresh, "new") as handle:
            handle.set(_MODE, None)
            handle.write(0, data)
            handle.sync()
        self._files.rename(fresh, (*self._folder, name))
        self._files.sync_folder(self._folder)

    def set_aside(self, name: str) -> str:
        """Give a file another name, and return that."""
        number = 1
        while self._files.stat((*self._folder, f"{name}.damaged-{number}")) is not None:
            number += 1
        aside = f"{name}.damaged-{number}"
        self._files.rename_new((*self._folder, name), (*self._folder, aside))
        self._files.sync_folder(self._folder)
        return aside

    def _opened(self, name: str) -> tuple[Handle, bool]:
        names = (*self._folder, name)
        try:
            return self._files.open(names, "write"), False
        except FileNotFoundError:
            return self._files.open(names, "new"), True
