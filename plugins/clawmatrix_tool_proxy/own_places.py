"""The folders and files of the node itself, which no tool reads or writes, whatever the roots."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeAlias

import attrs

from clawmatrix_core import Bound, ConfigError
from clawmatrix_core.spi import SocketPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from clawmatrix_core import Config

__all__ = ["COUNTED", "PRIVATE", "Identity", "Own", "OwnPlaces", "identity"]

Identity: TypeAlias = tuple[int, int]
"""The device and the number of an inode: the same whatever a file is called."""

COUNTED = Bound(
    20_000,
    "files in the node's own folders that are told from files in roots by their inode",
    fed_by="a member",
    when_full="no tool opens a file that has more than one name",
)
PRIVATE: Final = ".clawmatrix"
"""What a folder of the node's own is called, wherever it is."""


def identity(found: os.stat_result) -> Identity:
    """Return what a file is, whatever it is called."""
    return found.st_dev, found.st_ino


@attrs.frozen
class Own:
    """What is the node's own, as it was a moment ago.

    Attributes:
        inodes: the folders and files themselves, with all that is in the folders.
        places: where they are, there or not: the identity of a folder, and a name in it.
        complete: whether ``inodes`` has all of them.
    """

    inodes: frozenset[Identity]
    places: frozenset[tuple[Identity, str]]
    complete: bool = True

    def has(self, folder: Identity, name: str, found: os.stat_result | None) -> bool:
        """Say whether a file of a folder is the node's own.

        Args:
            folder: the folder.
            name: what the file is called there.
            found: the file, None where there is none yet.
        """
        folded = name.casefold()
        if folded == PRIVATE or (folder, folded) in self.places:
            return True
        return found is not None and self.is_own(found)

    def is_own(self, found: os.stat_result) -> bool:
        """Say whether a file is the node's own, whatever it is called and wherever it is."""
        if identity(found) in self.inodes:
            return True
        hidden = stat.S_ISREG(found.st_mode) and found.st_nlink > 1
        return hidden and not self.complete

    def holds(self, descriptor: int) -> bool:
        """Say whether an open folder is one of the node's own, or is in one. Raises: OSError."""
        here, above = identity(os.fstat(descriptor)), os.dup(descriptor)
        try:
            while True:
                if here in self.inodes or _called_private(above, here):
                    return True
                up = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=above)
                os.close(above)
                above, below = up, here
                if (here := identity(os.fstat(above))) == below:
                    return False
        finally:
            os.close(above)


def _called_private(folder: int, here: Identity) -> bool:
    """Say whether a folder stands in the one above it under the name of a private folder."""
    with suppress(OSError):
        found = os.stat(f"../{PRIVATE}", dir_fd=folder, follow_symlinks=False)
        return identity(found) == here
    return False


class OwnPlaces:
    """Knows which folders and files are the node's own.

    These are the file of its configuration, the files that it names as holding secrets, the places
    where ``clawmatrix run`` looks for one, the folder of its state, and the folders that its
    control socket can be in. Inside a ``with`` they are held open, so that they are known
    wherever somebody moves them.
    """

    def __init__(self, config: Config, latest: Callable[[], Config] | None = None) -> None:
        """``latest`` returns the configuration that is in force, where that changes."""
        self._config, self._latest = config, latest or (lambda: config)
        self._files = tuple(_files(config))
        self._state = tuple(_state(config))
        self._folders = (*self._state, *SocketPlace.folders())
        self._held: list[int] = []

    def __enter__(self) -> Self:
        """Hold those open that are there."""
        self._hold(self.paths)
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of them."""
        while self._held:
            os.close(self._held.pop())

    def _take(self, config: Config) -> None:
        """Take the files of another configuration too; those of before stay the node's own."""
        new = [path for path in _files(config) if path not in self._files]
        self._config, self._files = config, (*self._files, *new)
        self._hold(new)

    def _hold(self, paths: Iterable[Path]) -> None:
        for path in paths:
            with suppress(OSError):  # of the configuration the file is enough
                self._held.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))

    @property
    def paths(self) -> Sequence[Path]:
        """Where they are, there or not."""
        return (*self._files, *self._folders)

    @property
    def before(self) -> Sequence[Path]:
        """Where a file would be read in the stead of this configuration at the next start."""
        with suppress(ConfigError, OSError):
            places = list(self._config.places())
            if self._config.path in places:
                return places[: places.index(self._config.path)]
        return ()

    def look(self) -> Own:
        """Return what they are now: an editor puts another file in the place of one."""
        if (config := self._latest()) is not self._config:
            self._take(config)
        inodes: set[Identity] = set()
        places: set[tuple[Identity, str]] = set()
        for path in self.paths:
            _add(path, inodes, places)
            if os.path.islink(path):
                _add(Path(os.path.realpath(path)), inodes, places)
        moved = [held for held in self._held if identity(os.fstat(held)) not in inodes]
        inodes.update(identity(os.fstat(held)) for held in moved)
        # What control sockets lie beside is sockets; the rest is what a second name could lead to.
        tops: list[Path | int] = [*self._state, *moved]
        complete = all(_add_all(top, inodes) for top in tops)
        return Own(frozenset(inodes), frozenset(places), complete)


def _add(path: Path, inodes: set[Identity], places: set[tuple[Identity, str]]) -> None:
    """Add a path, and what is there."""
    with suppress(OSError):
        places.add((identity(os.stat(path.parent)), path.name.casefold()))
        inodes.add(identity(os.lstat(path)))


def _add_all(top: Path | int, inodes: set[Identity]) -> bool:
    """Add everything below a folder, a path or a descriptor; say whether that was everything."""
    walk = os.fwalk(".", dir_fd=top) if isinstance(top, int) else os.fwalk(top)
    with suppress(OSError):  # it is not there, or no folder
        for _, folders, files, at in walk:
            for name in (*folders, *files):
                with suppress(OSError):
                    inodes.add(identity(os.stat(name, dir_fd=at, follow_symlinks=False)))
            if len(inodes) > COUNTED:
                return False
    return True


def _files(config: Config) -> Iterator[Path]:
    yield from config.secret_files
    if config.path is not None:
        yield config.path
    with suppress(ConfigError, OSError):  # no home, or the current folder is gone
        yield from config.places()


def _state(config: Config) -> Iterator[Path]:
    with suppress(ConfigError):  # no home
        yield config.state_dir.expanduser().absolute()
