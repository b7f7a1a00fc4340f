"""Finds what must be kept from a command inside the folders that it may use.

That is the node's own files and folders, told by inode, whatever path leads to them; and every
``.clawmatrix``, where workspaces keep the state of their synchronisation.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.exec.guarding.mounted import mounted_below
from clawmatrix_tool_proxy.exec.guarding.parts import Lacking

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Hidden", "Own", "lies_in"]

Key = tuple[int, int]  # device and inode

OWN_FOLDERS = "own-folders"


class Hidden(str):
    """The path of something that is kept from a command.

    Attributes:
        key: device and inode of what was found there.
    """

    key: Key

    def __new__(cls, path: str, key: Key) -> Hidden:
        """Return a path with what was found there."""
        hidden = super().__new__(cls, path)
        hidden.key = key
        return hidden


class Own:
    """The node's own files and folders.

    Args:
        paths: where they are; what does not exist is left out.
        name: the name of folders that are hidden wherever they are.
        most: how many folders are looked through, all places together.
    """

    def __init__(self, paths: Iterable[str], name: str, most: int) -> None:
        self._own: set[Key] = set()
        # For each folder above something of the node's: the way down from there.
        self._ways: dict[Key, list[tuple[str, Key]]] = {}
        for path in paths:
            if (seen := _seen(path)) is not None:
                self._add(*seen)
        self._inodes = {inode for _, inode in self._own}
        self._name = name
        self._left = self._most = most

    def is_above(self, place: str) -> bool:
        """Return whether a place is the node's own, or lies in a folder that is or is hidden."""
        return any(
            key in self._own or os.path.basename(path).casefold() == self._name
            for path, key in _upwards(os.path.realpath(place))
        )

    def below(self, place: str) -> Iterator[Hidden]:
        """Find what is the node's own at or below a place, by the folders above it."""
        try:
            status = os.stat(place)
        except OSError:
            return
        for way, key in self._ways.get((status.st_dev, status.st_ino), ()):
            yield Hidden(os.path.normpath(os.path.join(os.path.realpath(place), way)), key)

    def search(self, place: str) -> Iterator[Hidden]:
        """Find all that is hidden below a folder, by looking through it.

        Raises: Lacking, where there are too many folders or one cannot be looked through.
        """
        yield from self.below(place)
        yield from self._mounted_below(place)
        folders = [place]
        for folder in folders:
            if self._left <= 0:
                raise Lacking(OWN_FOLDERS, f"{place} has more than {self._most} folders to search")
            self._left -= 1
            try:
                with os.scandir(folder) as entries:
                    yield from self._among(entries, folders)
            except FileNotFoundError:
                if os.path.lexists(folder):  # another command moved it away, and back
                    folders.append(folder)
            except OSError as error:
                _refuse_closed_folder(folder, error)

    def _mounted_below(self, place: str) -> Iterator[Hidden]:
        """Find what somebody mounted there: a folder lists what a mount lies over."""
        for path in mounted_below(os.path.realpath(place)):
            seen = _seen(path)
            if seen is not None and seen[1] in self._own:
                yield Hidden(*seen)

    def _add(self, real: str, key: Key) -> None:
        self._own.add(key)
        for path, above in _upwards(real):
            self._ways.setdefault(above, []).append((os.path.relpath(real, path), key))

    def _among(self, entries: Iterable[os.DirEntry[str]], folders: list[str]) -> Iterator[Hidden]:
        for entry in entries:
            named = entry.name.casefold() == self._name
            if named or entry.inode() in self._inodes:
                status = entry.stat(follow_symlinks=False)
                key = status.st_dev, status.st_ino
                if not entry.is_symlink() and (named or key in self._own):
                    yield Hidden(entry.path, key)
                    continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)


def _refuse_closed_folder(folder: str, error: OSError) -> None:
    """Accept a folder that is gone, or that is closed to the command for good."""
    try:
        owner = os.stat(folder, follow_symlinks=False).st_uid
    except OSError:
        return
    # The command could open its own folder later on.
    if owner == os.geteuid():
        raise Lacking(OWN_FOLDERS, f"{folder} cannot be searched: {error.strerror}")


def _seen(path: str) -> tuple[str, Key] | None:
    real = os.path.realpath(path)
    try:
        status = os.stat(real)
    except OSError:
        return None
    return real, (status.st_dev, status.st_ino)


def lies_in(path: str, folder: Key) -> bool:
    """Return whether a path is a folder, or lies in it."""
    return any(key == folder for _, key in _upwards(os.path.realpath(path)))


def _upwards(real: str) -> Iterator[tuple[str, Key]]:
    """Go from a path through all folders above it, each with its device and inode."""
    while True:
        seen = _seen(real)
        if seen is not None:
            yield seen
        parent = os.path.dirname(real)
        if parent == real:
            return
        real = parent
