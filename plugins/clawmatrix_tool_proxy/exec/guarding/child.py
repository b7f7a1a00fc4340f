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
from clawmatrix_tool_proxy.exec.guarding.links import links_on_the_way
from clawmatrix_tool_proxy.exec.guarding.own import OWN_FOLDERS, Own, lies_in
from clawmatrix_tool_proxy.exec.guarding.parts import Lacking, Missing
from clawmatrix_tool_proxy.exec.guarding.places import FOLDER, opened_place

if TYPE_CHECKING:
    from clawmatrix_tool_proxy.exec.guarding.job import Job
    from clawmatrix_tool_proxy.exec.guarding.private import PrivateFolder

if sys.platform == "linux":
    from clawmatrix_tool_proxy.exec.guarding.mounts import View, enter_namespace
    from clawmatrix_tool_proxy.exec.guarding.restrictions import restrict

__all__ = ["Child"]


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
        self._refuse_what_others_could_make()
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

    def _refuse_what_others_could_make(self) -> None:
        """Refuse roots for writing in which commands could put something before the node."""
        for place in self._job.roots:
            if not place.write:
                continue
            # Another command could put its own folder in the place of that one.
            if lies_in(self._private.path, place.key):
                raise Lacking("private folder", f"{self._private.path} is in {place.path}")
            for path in self._job.unmade:
                if not os.path.lexists(path) and lies_in(os.path.dirname(path), place.key):
                    raise Lacking(OWN_FOLDERS, f"a command could make a configuration at {path}")
            for link in (link for path in self._job.own for link in links_on_the_way(path)):
                if lies_in(os.path.dirname(link), place.key):
                    raise Lacking(OWN_FOLDERS, f"{link} leads to what is the node's own")

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
        return [opened_place(place) for place in self._job.roots]

    def _change_folder(self, roots: list[int]) -> None:
        """Go to where the command starts, through no symbolic link."""
        if self._job.root is None:
            os.chdir(self._private.home)
            return
        here = roots[self._job.root]
        for name in self._job.cwd:
            try:
                here = os.open(name, FOLDER, dir_fd=here)
            except OSError as error:
                raise Lacking("cwd", f"{name}: {error.strerror}") from None
        os.fchdir(here)
