"""The files of a workspace's state, kept by the file system of the workspace."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from clawmatrix_knowledge.files.traits import OWN

if TYPE_CHECKING:
    from clawmatrix_knowledge.files.port import Files

__all__ = ["FilesShelf"]


class FilesShelf:
    """Keeps files in the folder ``.clawmatrix``. See Shelf.

    Args:
        files: the file system of the workspace.
    """

    def __init__(self, files: Files) -> None:
        self._files = files

    def read(self, name: str) -> bytes:
        """See Shelf."""
        try:
            with self._files.open((*OWN, name)) as handle:
                return handle.read(0, handle.stat().size)
        except FileNotFoundError:
            return b""

    def append(self, name: str, data: bytes) -> None:
        """See Shelf. Where not all of it can be written, what there was before is there again."""
        is_new = self._files.stat((*OWN, name)) is None
        with self._files.open((*OWN, name), "new" if is_new else "write") as handle:
            size = handle.stat().size
            try:
                handle.write(size, data)
                handle.sync()
            except OSError:
                with suppress(OSError):
                    handle.truncate(size)
                raise
        if is_new:
            self._files.sync_folder(OWN)

    def replace(self, name: str, data: bytes) -> None:
        """See Shelf."""
        fresh = (*OWN, f"{name}.new")
        with suppress(FileNotFoundError):
            self._files.unlink(fresh)
        with self._files.open(fresh, "new") as handle:
            if data:
                handle.write(0, data)
            handle.set(0o600, None)
            handle.sync()
        self._files.rename(fresh, (*OWN, name))
        self._files.sync_folder(OWN)

    def set_aside(self, name: str) -> str:
        """See Shelf."""
        number = 1
        while self._files.stat((*OWN, f"{name}.damaged-{number}")) is not None:
            number += 1
        aside = f"{name}.damaged-{number}"
        self._files.rename_new((*OWN, name), (*OWN, aside))
        self._files.sync_folder(OWN)
        return aside
