"""The folder with the files of the audit, which belong to this user alone."""

from __future__ import annotations

import os
import re
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from clawmatrix_core import StateError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

__all__ = ["CURRENT", "AuditFolder", "flush", "rotated_name"]

CURRENT: Final = "audit.jsonl"
"""The file that lines are written to. An older one has the number of its first line in the name."""
_ROTATED = re.compile(r"audit-\d{12,}\.jsonl")


def rotated_name(first: int) -> str:
    """Return what the file is called that begins with a line, once another one is written to."""
    return f"audit-{first:012d}.jsonl"


def flush(descriptor: int) -> None:
    """Return once what was written to a file is on disk. Raises: OSError."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(descriptor)


class AuditFolder:
    """A folder, held open: nobody can put another one in its place, nor links to other files.

    Attributes:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Open the folder, which has to be there.

        Raises: StateError, where it is none, a link, another user's, or open to other users;
            FileNotFoundError.
        """
        try:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags)
            self._check(self.path, os.fstat(self._descriptor), "700")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _cannot(self.path, "opened", error) from error
        except StateError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def make(self) -> None:
        """Make the folder where there is none. Raises: StateError."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot(self.path, "made", error) from error

    def names(self) -> list[str]:
        """Return the names of the files, the oldest first. Raises: OSError."""
        found = os.listdir(self._descriptor)
        rotated = sorted((name for name in found if _ROTATED.fullmatch(name)), key=_number)
        return [*rotated, CURRENT] if CURRENT in found else rotated

    def open(self, name: str, flags: int) -> int:
        """Return a descriptor of a file.

        Raises: StateError, where it is a link, no plain file, or not of this user alone;
            FileNotFoundError; OSError, where it cannot be made.
        """
        place = self.path / name
        try:
            # Without O_NONBLOCK, opening a FIFO would wait for its other end.
            safe = flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(name, safe, 0o600, dir_fd=self._descriptor)
        except OSError as error:
            if os.path.islink(place):
                raise StateError(f"{place} is a symbolic link: move it away") from None
            raise error
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                raise StateError(f"{place} is no plain file, or has another name: move it away")
            self._check(place, found, "600")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def is_same(self, name: str, descriptor: int) -> bool:
        """Say whether a name still stands for an open file."""
        with suppress(FileNotFoundError):
            found = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
            return os.path.samestat(found, os.fstat(descriptor))
        return False

    def is_in_place(self) -> bool:
        """Say whether the path still stands for the open folder."""
        with suppress(OSError):
            found = os.stat(self.path, follow_symlinks=False)
            return os.path.samestat(found, os.fstat(self._descriptor))
        return False

    def size(self, name: str) -> int:
        """Return how many bytes a file has. Raises: OSError."""
        return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_size

    def has(self, name: str) -> bool:
        """Say whether there is a file of this name."""
        return name in self.names()

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, which none has yet. Raises: StateError, OSError."""
        if self.has(new):
            raise StateError(f"{self.path / new} is there already: move it away")
        os.rename(old, new, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        self.sync()

    def remove(self, name: str) -> None:
        """Remove a file, for good. Raises: OSError."""
        os.unlink(name, dir_fd=self._descriptor)
        self.sync()

    def sync(self) -> None:
        """Return once the names are on disk. Raises: OSError."""
        os.fsync(self._descriptor)

    @staticmethod
    def _check(place: Path, found: os.stat_result, mode: str) -> None:
        if found.st_uid != os.geteuid():
            raise StateError(f"{place} belongs to another user: move it away")
        if found.st_mode & 0o077:
            raise StateError(
                f"{place} is open to other users; mend that with: chmod {mode} {place}"
            )


def _number(name: str) -> int:
    return int(name.removeprefix("audit-").removesuffix(".jsonl"))


def _cannot(path: Path, done: str, error: OSError) -> StateError:
    return StateError(f"the folder of the audit, {path}, cannot be {done}: {error.strerror}")
