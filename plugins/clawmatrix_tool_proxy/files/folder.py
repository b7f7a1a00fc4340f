"""A folder in a root, held open, and the one way from it to what is in it.

Each step opens one name from the descriptor of its folder and follows no link. What was opened
is then asked for by its descriptor, so that nobody can put another file in the place of one that
was looked at. The path stays the same for each file: a link and another spelling are refused,
so that conditions and the audit name the file that is opened.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from contextlib import contextmanager, suppress
from heapq import nsmallest
from typing import TYPE_CHECKING, Final

from clawmatrix_tool_proxy.files.errors import failure, refusal
from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.own_places import PRIVATE, identity
from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from clawmatrix_tool_proxy.files.rules import Rules
    from clawmatrix_tool_proxy.own_places import Identity

__all__ = ["Folder", "kind_of"]

# Without O_NONBLOCK, opening a FIFO would wait for its other end.
_SAFE: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_KINDS: Final = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}


def kind_of(found: os.stat_result) -> str:
    """Return what something is, in a word."""
    return _KINDS.get(stat.S_IFMT(found.st_mode), "device")


class Folder:
    """An open folder; close it, or use it in a ``with``.

    Attributes:
        path: where it is.
        descriptor: what files in it are opened from.
    """

    def __init__(self, descriptor: int, path: RootPath, rules: Rules) -> None:
        self.path = path
        self.descriptor = descriptor
        self._rules = rules
        self._found = os.fstat(descriptor)
        self._private: Identity | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def folder(self, name: str) -> Folder:
        """Open a folder in it. Raises: ToolError."""
        with _closed_on_error(self._open(name, os.O_RDONLY | os.O_DIRECTORY)) as descriptor:
            self._check(name, os.fstat(descriptor))
            return Folder(descriptor, self.path / name, self._rules)

    def make(self, name: str) -> Folder:
        """Open a folder in it, and make it where there is none. Raises: ToolError."""
        place = self.path / name
        self._rules.check_own(place, name, None, self._found)
        try:
            os.mkdir(name, dir_fd=self.descriptor)
        except FileExistsError:
            pass
        except OSError as error:
            raise failure(place, error) from None
        return self.folder(name)

    def file(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Return the descriptor of a plain file in it, for the caller to close.

        Raises: ToolError, for everything else; a pipe or a device is not even opened.
        """
        if (found := self.look(name)) is None:
            raise refusal(self.path / name, "not_found", "there is no such file or folder")
        self.require_plain(name, found)
        with _closed_on_error(self._open(name, flags)) as descriptor:
            self._check(name, opened := os.fstat(descriptor))
            self.require_plain(name, opened)
        return descriptor

    def look(self, name: str) -> os.stat_result | None:
        """Return what a name stands for, not following a link; None where there is nothing.

        Raises: ToolError, where it is the node's own, a root, or spelt otherwise on disk.
        """
        place = self.path / name
        found = self.peek(name)
        self._rules.check_own(place, name, found, self._found)
        if found is not None:
            self._check(name, found)
        return found

    def peek(self, name: str) -> os.stat_result | None:
        """Return what a name stands for, whatever it is. Raises: ToolError."""
        try:
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failure(self.path / name, error) from None

    def names(self, most: int) -> tuple[list[str], bool]:
        """Return the names in it, sorted by their bytes, and whether these are all.

        The node's own are left out. Raises: ToolError.
        """
        try:
            with os.scandir(self.descriptor) as entries:
                found = nsmallest(most + 1, (entry.name for entry in entries), key=os.fsencode)
        except OSError as error:
            raise failure(self.path, error) from None
        return [name for name in found[:most] if not self._is_own(name)], len(found) <= most

    def is_root(self, found: os.stat_result) -> bool:
        """Say whether what was found is the folder of a root."""
        return self._rules.root_of(found) is not None

    def leads_to(self, name: str) -> RootPath | None:
        """Return where a link leads; None where that is outside of the root, or no path."""
        with suppress(OSError):
            target = os.readlink(name, dir_fd=self.descriptor)
            return None if target.startswith("/") else _joined(self.path, target)
        return None

    def require_plain(self, name: str, found: os.stat_result) -> None:
        """Raises: ToolError, where what was found under a name is no plain file."""
        place, kind = self.path / name, kind_of(found)
        if kind == "link":
            raise self._is_link(name)
        if kind != "file":
            raise refusal(place, "wrong_kind", f"it is a {kind}, no file")

    def _open(self, name: str, flags: int) -> int:
        self._rules.check_own(self.path / name, name, None, self._found)
        try:
            return os.open(name, flags | _SAFE, dir_fd=self.descriptor)
        except OSError as error:
            raise self._why(name, error) from None

    def _why(self, name: str, error: OSError) -> ToolError:
        """Return what kept something from being opened."""
        place = self.path / name
        with suppress(OSError):
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                return self._is_link(name)
        return failure(place, error)

    def _is_link(self, name: str) -> ToolError:
        target = self.leads_to(name)
        where = "out of the root" if target is None else f"to {target}: write that path"
        return refusal(self.path / name, "is_link", f"it is a symbolic link {where}")

    def _check(self, name: str, found: os.stat_result) -> None:
        place = self.path / name
        self._rules.check(place, name, found, self._found)
        if self._is_private(found):
            raise refusal(place, "private", "no tool reads or writes what is the node's own")
        if (spelt := self._spelt(name, found)) is not None:
            raise refusal(place, "not_found", f"on this disk it is written {self.path / spelt}")

    def _is_own(self, name: str) -> bool:
        with suppress(ToolError):
            if (found := self.peek(name)) is not None:
                own = self._rules.own.has(identity(self._found), name, found)
                return own or self._is_private(found)
        return False

    def _is_private(self, found: os.stat_result) -> bool:
        """Say whether a disk that folds names has this under the name of a private folder."""
        if self._private is None:
            self._private = (0, 0)
            with suppress(ToolError):
                there = self.peek(PRIVATE)
                self._private = self._private if there is None else identity(there)
        return identity(found) == self._private

    def _spelt(self, name: str, found: os.stat_result) -> str | None:
        """Return how a name is spelt on a disk to which several spellings are one."""
        if not any(self._is_too(other, found) for other in _spellings(name)):
            return None
        with suppress(OSError):
            names = os.listdir(self.descriptor)
            if name not in names:
                return next((other for other in names if self._is_too(other, found)), None)
        return None

    def _is_too(self, name: str, found: os.stat_result) -> bool:
        with suppress(ToolError):
            other = self.peek(name)
            return other is not None and identity(other) == identity(found)
        return False


@contextmanager
def _closed_on_error(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    except BaseException:
        os.close(descriptor)
        raise


def _spellings(name: str) -> set[str]:
    """Return other spellings of a name, one of which the disk may take for the same."""
    forms = {name.swapcase()}
    if not name.isascii():
        forms |= {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
    return forms - {name}


def _joined(folder: RootPath, target: str) -> RootPath | None:
    """Return what a link's text means in a folder, as far as names alone tell."""
    parts = list(folder.parts)
    for part in target.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return RootPath(folder.root, tuple(parts))
