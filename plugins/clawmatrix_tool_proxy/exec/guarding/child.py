"""What happens between fork and exec: the process is held in, and becomes the command.

All of it is set here, in the command's own process, and not in the guard: held by the same rules
as its command, a guard would be within reach of the command's signals.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.exec.guarding.limits import counted_by_kernel, set_limits
from clawmatrix_tool_proxy.exec.guarding.own import OWN_FOLDERS, Own
from clawmatrix_tool_proxy.exec.guarding.parts import Lacking, Missing

if TYPE_CHECKING:
    from clawmatrix_tool_proxy.exec.guarding.job import Job
    from clawmatrix_tool_proxy.exec.guarding.private import PrivateFolder

if sys.platform == "linux":
    from clawmatrix_tool_proxy.exec.guarding.mounts import View, enter_namespace
    from clawmatrix_tool_proxy.exec.guarding.restrictions import restrict

__all__ = ["Child"]

_FOLDER: int = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Child:
    """The process of a command before the command begins.

    Args:
        job: what to run, and what it may do.
        private: its private folder.
        grouped: whether a cgroup counts its processes.
        box: a socket to the guard, where its namespace is left.

    Attributes:
        missing: the parts of the confinement that could not be had.
    """

    def __init__(
        self, job: Job, private: PrivateFolder, *, grouped: bool, box: socket.socket
    ) -> None:
        self.missing = Missing(job.without)
        self._job, self._private, self._grouped, self._box = job, private, grouped, box
        self._own = Own(job.own, job.hidden_name, job.search)

    def confine(self) -> None:
        """Hold this process in. It stands in the folder of the command then.

        Raises: Lacking, where a part cannot be had; OSError.
        """
        if not self._grouped and not counted_by_kernel():
            self.missing.note("process-limit", "root has no limit, and no cgroup can be made")
        self._opened_roots()  # before anything is done with other folders in their places
        self._refuse_own_roots()
        if sys.platform == "linux":
            self._confine_on_linux()
        else:
            self._limit_only()

    def run(self) -> None:
        """Become the command. Raises: OSError."""
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these
            signal.signal(number, signal.SIG_DFL)
        env = {**self._job.env, "HOME": self._private.home, "TMPDIR": self._private.tmp}
        os.execve(self._job.argv[0], self._job.argv, env)

    def _refuse_own_roots(self) -> None:
        for path in (*(place.path for place in self._job.roots), *self._job.readable):
            if self._own.is_above(path):
                raise Lacking(OWN_FOLDERS, f"{path} is in a folder of the node's own")

    def _confine_on_linux(self) -> None:
        writable = list(self._private.writable)
        alone = False
        try:
            alone = enter_namespace()
            self._leave_namespace_to_guard()
            View(self._job, self._private, self._own).arrange()
            writable.append("/dev/shm")
        except OSError as error:
            self.missing.note("mount-namespace", error)
            self._refuse_what_is_not_hidden()
        roots = self._opened_roots()
        self._change_folder(roots)
        set_limits(self._job, alone=alone)
        restrict(self._job, roots, writable, self.missing)

    def _leave_namespace_to_guard(self) -> None:
        """Have the namespace outlive the command, until the guard has told of its end.

        Taking it down takes the kernel some milliseconds, for which the command's end would wait.
        """
        with contextlib.suppress(OSError):
            here = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            try:
                socket.send_fds(self._box, [b"namespace"], [here])
            finally:
                os.close(here)

    def _limit_only(self) -> None:
        for part in ("subreaper", "landlock", "seccomp", "mount-namespace"):
            self.missing.note(part, f"{sys.platform} has none")
        self._refuse_what_is_not_hidden()
        self._change_folder(self._opened_roots())
        set_limits(self._job, alone=False)

    def _refuse_what_is_not_hidden(self) -> None:
        for path in (*(place.path for place in self._job.roots), *self._job.readable):
            for hidden in self._own.search(path):
                raise Lacking(OWN_FOLDERS, f"{path} holds {hidden}, which cannot be hidden")

    def _opened_roots(self) -> list[int]:
        return [self._opened_root(at) for at in range(len(self._job.roots))]

    def _opened_root(self, at: int) -> int:
        place = self._job.roots[at]
        try:
            root = os.open(place.path, _FOLDER)
        except OSError as error:
            raise Lacking("root", f"{place.path}: {error.strerror}") from None
        status = os.fstat(root)
        if (status.st_dev, status.st_ino) != place.key:
            raise Lacking("root", f"{place.path} is another folder than when the node began")
        return root

    def _change_folder(self, roots: list[int]) -> None:
        """Go to where the command starts, through no symbolic link."""
        if self._job.root is None:
            os.chdir(self._private.home)
            return
        here = roots[self._job.root]
        for name in self._job.cwd:
            try:
                here = os.open(name, _FOLDER, dir_fd=here)
            except OSError as error:
                raise Lacking("cwd", f"{name}: {error.strerror}") from None
        os.fchdir(here)
