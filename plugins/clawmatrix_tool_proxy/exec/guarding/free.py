"""A command that nothing holds in: its guard only watches it, and leaves nothing of it behind."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from clawmatrix_tool_proxy.exec.guarding.job import Job

__all__ = ["become_free"]


def become_free(job: Job) -> NoReturn:
    """Become the command, in the folder ``free`` of its job. Raises: OSError."""
    os.chdir(job.free or "/")
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these
        signal.signal(number, signal.SIG_DFL)
    os.execve(job.argv[0], job.argv, job.env)
