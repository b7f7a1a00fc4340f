"""The private folder of a command: its home, its temporary files, and what is put over others."""

from __future__ import annotations

import contextlib
import os
import stat

__all__ = ["PrivateFolder", "remove_folder"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class PrivateFolder:
    """A folder of which the command may write in ``home``, ``tmp`` and ``shm``.

    Args:
        path: where it is.
        hosts: whether the command has a hosts file of its own.
    """

    def __init__(self, path: str, *, hosts: bool) -> None:
        self.path = path
        self.home, self.tmp, self.shm = (self._in(name) for name in ("home", "tmp", "shm"))
        self.empty_folder, self.empty_file = self._in("empty"), self._in("nothing")
        self.hosts = self._in("hosts") if hosts else None

    def make(self) -> None:
        """Make it. Raises: OSError."""
        for folder in (self.path, *self.writable, self.empty_folder):
            os.mkdir(folder, 0o700)
        _write_new(self.empty_file, "")

    def write_hosts(self, text: str) -> None:
        """Write the command's hosts file. Raises: OSError."""
        if self.hosts is not None:
            _write_new(self.hosts, text)

    def is_whole(self) -> bool:
        """Say whether it is as it was made: whoever tidies temporary files may have been there."""
        folders = (self.path, *self.writable, self.empty_folder)
        return all(_is_own(path, stat.S_IFDIR) for path in folders) and _is_own(
            self.empty_file, stat.S_IFREG
        )

    @property
    def writable(self) -> tuple[str, ...]:
        """The folders that the command may write in."""
        return self.home, self.tmp, self.shm

    def remove(self) -> None:
        """Take it away with all that the command has left there."""
        with contextlib.suppress(OSError):
            remove_folder(self.path)

    def _in(self, name: str) -> str:
        return os.path.join(self.path, name)


def _is_own(path: str, kind: int) -> bool:
    """Say whether a path is of a kind, and belongs to this user."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_IFMT(found.st_mode) == kind and found.st_uid == os.geteuid()


def _write_new(path: str, text: str) -> None:
    with open(path, "x") as file:
        file.write(text)


def remove_folder(path: str) -> None:
    """Remove a folder that nobody changes any more, also where the command has closed it.

    A folder can be nested more deeply than the kernel takes a path, or Python a recursion: this
    goes down and up one name at a time.

    Raises: OSError.
    """
    os.chmod(path, stat.S_IRWXU)
    here = os.open(path, _FOLDER)
    try:
        above = [_emptied(here)]  # the folders that are left in each, from the top to here
        while above[0] or len(above) > 1:
            if above[-1]:
                name = above[-1][-1]
                os.chmod(name, stat.S_IRWXU, dir_fd=here)
                here = _gone_to(name, here)
                above.append(_emptied(here))
            else:
                above.pop()
                here = _gone_to("..", here)
                os.rmdir(above[-1].pop(), dir_fd=here)
    finally:
        os.close(here)
    os.rmdir(path)


def _emptied(folder: int) -> list[str]:
    """Remove the files of a folder, and return the names of its folders."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            os.unlink(name, dir_fd=folder)
    return [name for name, is_folder in found if is_folder]


def _gone_to(name: str, here: int) -> int:
    """Open a folder, and close the one that it was opened from."""
    there = os.open(name, _FOLDER, dir_fd=here)
    os.close(here)
    return there
