"""The private folder of a command: its home, its temporary files, and what is put over others."""

from __future__ import annotations

import contextlib
import os
import stat

__all__ = ["PrivateFolder", "remove_folder"]


class PrivateFolder:
    """A folder of which the command may write in ``home``, ``tmp`` and ``shm``.

    Args:
        path: where it is made.
        hosts: the text of the command's hosts file, None where it has no other than the machine.

    Raises: OSError.
    """

    def __init__(self, path: str, hosts: str | None) -> None:
        self.path = path
        os.mkdir(self.path, 0o700)
        self.home, self.tmp, self.shm = (self._folder(name) for name in ("home", "tmp", "shm"))
        self.empty_folder = self._folder("empty")
        self.empty_file = self._file("nothing", "")
        self.hosts = None if hosts is None else self._file("hosts", hosts)

    @property
    def writable(self) -> tuple[str, ...]:
        """The folders that the command may write in."""
        return self.home, self.tmp, self.shm

    def remove(self) -> None:
        """Take it away with all that the command has left there."""
        with contextlib.suppress(OSError):
            remove_folder(self.path)

    def _folder(self, name: str) -> str:
        path = os.path.join(self.path, name)
        os.mkdir(path, 0o700)
        return path

    def _file(self, name: str, text: str) -> str:
        path = os.path.join(self.path, name)
        with open(path, "x") as file:
            file.write(text)
        return path


def remove_folder(path: str) -> None:
    """Remove a folder that nobody changes any more, also where the command has closed it.

    Raises: OSError.
    """
    os.chmod(path, stat.S_IRWXU)
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                remove_folder(entry.path)
            else:
                os.unlink(entry.path)
    os.rmdir(path)
