"""Finding names on a disk in memory, as different file systems do."""

from __future__ import annotations

import errno
import os
import unicodedata
from typing import TYPE_CHECKING, Final

from clawmatrix_knowledge.files.disk import Change, Disk, Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_knowledge.files.port import Names

__all__ = ["Lookup", "error_of"]

_NAME_BYTES: Final = 255


class Lookup:
    """Finds what a place stands for. Its functions raise OSError.

    Args:
        disk: the disk.
        clock: returns nanoseconds since 1970.
        ignores_case: whether ``a`` and ``A`` are one name.
        ignores_form: whether two Unicode forms of a letter are one name.
    """

    def __init__(
        self, disk: Disk, clock: Callable[[], int], *, ignores_case: bool, ignores_form: bool
    ) -> None:
        self._disk, self._clock = disk, clock
        self._ignores_case, self._ignores_form = ignores_case, ignores_form

    def folder(self, names: Names) -> Node:
        """Return the folder at a place."""
        node = self._disk.root
        for number, name in enumerate(names, 1):
            key = self._key(node, name)
            if key is None:
                raise error_of(errno.ENOENT, names[:number])
            node = node.entries[key]
            if node.kind != "folder":
                raise error_of(errno.ENOTDIR, names[:number])
        return node

    def find(self, names: Names) -> Node | None:
        """Return what is at a place."""
        if not names:
            raise error_of(errno.EINVAL, names)
        folder = self.folder(names[:-1])
        key = self._key(folder, names[-1])
        return None if key is None else folder.entries[key]

    def need_two(self, one: Names, other: Names) -> Node:
        """Return what has to be at one place, where the folders of both have to be there."""
        for names in (one, other):
            if not names:
                raise error_of(errno.EINVAL, names)
            self.folder(names[:-1])
        return self.need(one)

    def need(self, names: Names) -> Node:
        """Return what has to be at a place."""
        node = self.find(names)
        if node is None:
            raise error_of(errno.ENOENT, names)
        return node

    def need_free(self, names: Names) -> None:
        """Raises: FileExistsError; OSError, where the name is too long."""
        if self.find(names) is not None:
            raise error_of(errno.EEXIST, names)
        if len(os.fsencode(names[-1])) > _NAME_BYTES:
            raise error_of(errno.ENAMETOOLONG, names)

    def is_one_name(self, one: Names, other: Names) -> bool:
        """Say whether two names are one, perhaps written in two ways."""
        first, second = self.folder(one[:-1]), self.folder(other[:-1])
        return first is second and self._key(first, one[-1]) == self._key(first, other[-1])

    def change(self, names: Names, node: Node | None) -> Change:
        """Return the change by which a name stands for something else."""
        folder = self.folder(names[:-1])
        return Change(folder, self._key(folder, names[-1]) or names[-1], node)

    def name(self, names: Names, node: Node | None) -> None:
        """Let a name stand for something else."""
        self.apply(self.change(names, node))

    def apply(self, *changes: Change) -> None:
        """Change names in one step."""
        self._disk.change(*changes)
        now = self._clock()
        for change in changes:
            change.folder.mtime = change.folder.ctime = now

    def device(self, names: Names) -> int:
        """Return the device that a place is on."""
        node = self._disk.root
        device = node.device or 1
        for name in names:
            found = node.entries.get(self._key(node, name) or name)
            if found is None:
                break
            node, device = found, found.device or device
        return device

    def check_device(self, one: Names, other: Names) -> None:
        """Raises: OSError, where two places are on different devices."""
        if self.device(one[:-1]) != self.device(other[:-1]):
            raise error_of(errno.EXDEV, other)

    def _key(self, folder: Node, name: str) -> str | None:
        """Return the name that an entry really has."""
        if name in folder.entries:
            return name
        if not (self._ignores_case or self._ignores_form):
            return None
        folded = self._folded(name)
        return next((other for other in folder.entries if self._folded(other) == folded), None)

    def _folded(self, name: str) -> str:
        if self._ignores_form:
            name = unicodedata.normalize("NFD", name)
        return name.casefold() if self._ignores_case else name


def error_of(number: int, names: Names) -> OSError:
    """Return the error of a number at a place."""
    return OSError(number, os.strerror(number), "/".join(names))
