"""One command under its guard, from the wait for its job to the last of its processes."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.exec.guarding.cgroup import ProcessGroup
from clawmatrix_tool_proxy.exec.guarding.framing import Message
from clawmatrix_tool_proxy.exec.guarding.job import Job
from clawmatrix_tool_proxy.exec.guarding.private import PrivateFolder
from clawmatrix_tool_proxy.exec.guarding.waiting import STREAMS, WaitingProcess

if TYPE_CHECKING:
    from typing import Self

    from clawmatrix_tool_proxy.exec.guarding.orders import Orders
    from clawmatrix_tool_proxy.exec.guarding.tree import Tree

__all__ = ["Command"]


class Command:
    """The command of a guard. Inside a ``with``; nothing of it is left afterwards."""

    def __init__(self) -> None:
        self._process: WaitingProcess | None = None
        self._is_over = False  # whether its processes were ended
        self._group: ProcessGroup | None = None
        self._private: PrivateFolder | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            if not self._is_over:
                self._process.tree.end()
            self._process.close()
        if self._private is not None:
            self._private.remove()
        if self._group is not None:
            self._group.remove()

    def prepare(self, private: str, cgroup: str | None) -> None:
        """Do what needs no job, so that the command begins sooner. Raises: OSError.

        What fails is tried again with the job, which tells of it.

        Args:
            private: the private folder to make for the command.
            cgroup: the folder of the cgroup to make for it; None without.
        """
        with contextlib.suppress(OSError):
            self._make_private(private)
            if cgroup is not None:
                self._group = ProcessGroup(cgroup)
        self._start()

    def run(self, message: Message, orders: Orders) -> Message:
        """Run a command to its end, or end it, and return what there is to tell.

        Its processes are gone on return; its folders go where the ``with`` ends.
        ``{"failed": why, "part": name}`` says that it did not begin. ``{"exit": status}`` or
        ``{"signal": number}`` say how it ended, with ``by``: "itself", "limit" (its time), or why
        the node or another ended it, and ``seconds``. A probe tells
        ``{"missing": {part: why}}``.
        """
        job = Job.of_json(message)
        try:
            if job.private:
                self._prepare_private(job)
        except OSError as error:
            return {"failed": f"{job.private}: {error.strerror}", "part": "private folder"}
        try:
            return self._to_its_end(message, job, self._waiting(job), orders)
        except OSError as error:
            return {"failed": str(error), "part": "guard"}

    def _make_private(self, path: str) -> None:
        private = PrivateFolder(path, hosts=False)
        private.make()
        self._private = private  # from now on it is this guard's to remove

    def _prepare_private(self, job: Job) -> None:
        made = self._private
        if made is not None and not (made.path == job.private and made.is_whole()):
            made.remove()
            self._private = None
        if self._private is None:
            self._make_private(job.private)
        if job.network.hosts is not None:
            PrivateFolder(job.private, hosts=True).write_hosts(job.network.hosts)

    def _waiting(self, job: Job) -> WaitingProcess:
        """Return the process that waits, in the cgroup of the command where it gets one."""
        process = self._process
        if self._group is None and job.cgroup is not None:
            self._group, process = ProcessGroup(job.cgroup), None
        if self._group is not None:
            self._group.limit(job.processes)
        return self._start() if process is None else process

    def _start(self) -> WaitingProcess:
        if self._process is not None:
            self._process.close()
        self._process = WaitingProcess(self._group)
        return self._process

    def _to_its_end(
        self, message: Message, job: Job, process: WaitingProcess, orders: Orders
    ) -> Message:
        began = time.monotonic()
        told = process.give(message)
        if not told and not process.has_job():  # somebody has killed it as it waited
            process = self._start()
            told = process.give(message)
        for descriptor in STREAMS:
            os.close(descriptor)  # so that they end with the command's last process
        tree = process.tree
        try:
            until = math.inf if job.timeout is None else began + job.timeout
            by = "itself" if told else _watch(tree, orders, until)
        finally:
            if self._group is not None:
                self._group.freeze_number()
            tree.end()
            self._is_over = True
        if told:
            return Message(json.loads(told))
        return {**_outcome(tree.status), "by": by, "seconds": time.monotonic() - began}


def _watch(tree: Tree, orders: Orders, until: float) -> str:
    """Wait for the end of the command, or for a reason to end it. Return which it was."""
    while tree.reap() and tree.status is None:
        left = until - time.monotonic()
        if left <= 0:
            return "limit"
        wait = None if left == math.inf else left
        orders.wait(0 if tree.more else wait)
        if orders.over is not None:
            return orders.over
    return "itself"


def _outcome(status: int | None) -> Message:
    if status is None:
        return {"exit": None}
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status)}
    return {"exit": os.WEXITSTATUS(status)}
