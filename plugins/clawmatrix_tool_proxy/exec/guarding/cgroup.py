"""A cgroup of the command's own, which counts its processes, where the node may make one."""

from __future__ import annotations

import contextlib
import errno
import os
import time

__all__ = ["ProcessGroup", "remove_group"]

_ROUNDS = 100
_BETWEEN_ROUNDS = 0.002  # seconds


class ProcessGroup:
    """A folder of the pids controller.

    Args:
        path: the folder to make, in that of a cgroup in which this process may make others.

    Raises: OSError, where the kernel or its owner does not allow it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        os.mkdir(self._path)

    def limit(self, most: int) -> None:
        """Let at most so many processes be in the group. Raises: OSError."""
        self._write("pids.max", str(most))

    def join(self) -> None:
        """Bring this process into the group. Raises: OSError."""
        self._write("cgroup.procs", "0")

    def freeze_number(self) -> None:
        """Let nothing in the group start another process."""
        with contextlib.suppress(OSError):
            self._write("pids.max", "0")

    def remove(self) -> None:
        """Take the group away; see ``remove_group``."""
        remove_group(self._path)

    def _write(self, name: str, text: str) -> None:
        descriptor = os.open(os.path.join(self._path, name), os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def remove_group(path: str) -> None:
    """Take a group away; what was in it has ended, and may need a moment to leave."""
    for _ in range(_ROUNDS):
        try:
            os.rmdir(path)
        except OSError as error:
            if error.errno != errno.EBUSY:
                return
            time.sleep(_BETWEEN_ROUNDS)  # the kernel tells nobody that a group is empty
        else:
            return
