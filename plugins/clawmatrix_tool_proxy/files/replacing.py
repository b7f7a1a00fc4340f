"""Putting a whole new file in the place of another one, or where there was none, at one stroke.

Whoever reads meanwhile gets the old file or the new one. Where the disk is full, the old one
stays as it was. Nothing is ever written into a file that is there already, so that no other name
of it, a hard link, can be changed by it.
"""

from __future__ import annotations

import os
import secrets
import stat
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_tool_proxy.files.errors import failure, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_tool_proxy.files.folder import Folder
    from clawmatrix_tool_proxy.files.paths import RootPath

__all__ = ["Replaced", "alone_with"]

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCKS: Final = tuple(threading.Lock() for _ in range(64))


@contextmanager
def alone_with(path: RootPath) -> Iterator[None]:
    """Have other calls in this process that change the same file wait meanwhile."""
    with _LOCKS[hash(path) % len(_LOCKS)]:
        yield


@attrs.frozen
class Replaced:
    """A file that is to be replaced.

    Attributes:
        folder: the folder that it is in.
        name: its name there.
        found: what it is before; None where there is none.
    """

    folder: Folder
    name: str
    found: os.stat_result | None

    @property
    def path(self) -> RootPath:
        """Where it is."""
        return self.folder.path / self.name

    def check(self) -> None:
        """Raises: ToolError, where the file must not be replaced, or not by the node's user."""
        if self.found is None:
            return
        if self.found.st_nlink > 1:
            names = self.found.st_nlink
            raise refusal(self.path, "many_names", f"the file has {names} names (hard links)")
        if not self._may_write():
            raise refusal(self.path, "permission", "the user of the node may not write it")

    def replace(self, data: bytes, *, unchanged: bool = False) -> None:
        """Put a file with these bytes in its place, on disk on return.

        Args:
            data: all of the new file.
            unchanged: refuse where somebody else has changed the old one since ``found``.

        Raises: ToolError; the old file is then as it was.
        """
        new = f".clawmatrix-{secrets.token_hex(8)}.new"
        at, mode = self.folder.descriptor, 0o666 if self.found is None else 0o600
        try:
            descriptor = os.open(new, _CREATE, mode, dir_fd=at)
            try:
                self._fill(descriptor, data)
                if unchanged:
                    self._require_unchanged()
                os.rename(new, self.name, src_dir_fd=at, dst_dir_fd=at)
            except BaseException:
                with suppress(OSError):
                    os.unlink(new, dir_fd=at)
                raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise failure(self.path, error) from None
        with suppress(OSError):  # some disks flush no folders
            os.fsync(at)

    def _may_write(self) -> bool:
        at, effective = self.folder.descriptor, os.access in os.supports_effective_ids
        return os.access(self.name, os.W_OK, dir_fd=at, effective_ids=effective)

    def _fill(self, descriptor: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if (old := self.found) is not None:
            with suppress(PermissionError):  # only root gives files to others
                os.fchown(descriptor, old.st_uid, old.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & 0o777)
        os.fsync(descriptor)

    def _require_unchanged(self) -> None:
        now = self.folder.peek(self.name)
        if self.found is None or now is None or _state(now) != _state(self.found):
            raise refusal(
                self.path, "changed", "somebody else has changed it meanwhile: read it anew"
            )


def _state(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
