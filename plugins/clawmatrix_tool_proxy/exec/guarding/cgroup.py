"""A cgroup of the command's own, which counts its processes, where the node may make one."""

from __future__ import annotations

import contextlib
import os

__all__ = ["ProcessGroup"]


class ProcessGroup:
    """A folder of the pids controller, with at most so many processes.

    Args:
        parent: the folder of a cgroup in which this process may make others.
        most: how many processes it takes.

    Raises: OSError, where the kernel or its owner does not allow it.
    """

    def __init__(self, parent: str, most: int) -> None:
        self._path = os.path.join(parent, f"clawmatrix-exec-{os.getpid()}")
        os.mkdir(self._path)
        try:
            self._write("pids.max", str(most))
        except OSError:
            self.remove()
            raise

    def join(self) -> None:
        """Bring this process into the group. Raises: OSError."""
        self._write("cgroup.procs", "0")

    def freeze_number(self) -> None:
        """Let nothing in the group start another process."""
        with contextlib.suppress(OSError):
            self._write("pids.max", "0")

    def remove(self) -> None:
        """Take the group away once nothing is in it."""
        with contextlib.suppress(OSError):
            os.rmdir(self._path)

    def _write(self, name: str, text: str) -> None:
        descriptor = os.open(os.path.join(self._path, name), os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
