"""Limits on what each process of a command may take."""

from __future__ import annotations

import contextlib
import os
import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clawmatrix_tool_proxy.exec.guarding.job import Job

__all__ = ["counted_by_kernel", "set_limits"]


def counted_by_kernel() -> bool:
    """Return whether the kernel holds this user to a number of processes: root it does not."""
    return os.getuid() != 0


def set_limits(job: Job, *, alone: bool) -> None:
    """Set the limits of this process and of all that it starts.

    Args:
        job: which limits.
        alone: whether only this command's processes count, as in a user namespace of its own;
            else all of the same user do, and those there are come on top.
    """
    if counted_by_kernel():
        processes = job.processes if alone else job.processes + _processes_of_user()
        _lower(resource.RLIMIT_NPROC, processes)
    _lower(resource.RLIMIT_DATA, job.memory)
    _lower(resource.RLIMIT_FSIZE, job.file_size)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(which: int, most: int) -> None:
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(which, (most, most))


def _processes_of_user() -> int:
    """Count the threads of this user, which is what the kernel's limit counts."""
    count, user = 0, os.getuid()
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdigit():
                count += _threads(f"/proc/{name}", user)
    return count


def _threads(process: str, user: int) -> int:
    try:
        if os.stat(process).st_uid != user:
            return 0
        return len(os.listdir(f"{process}/task"))
    except OSError:
        return 0
