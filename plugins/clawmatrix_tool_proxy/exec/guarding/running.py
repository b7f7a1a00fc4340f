"""One command under its guard, from the fork to the last of its processes."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.exec.guarding.cgroup import ProcessGroup
from clawmatrix_tool_proxy.exec.guarding.child import Child
from clawmatrix_tool_proxy.exec.guarding.framing import Message
from clawmatrix_tool_proxy.exec.guarding.free import become_free
from clawmatrix_tool_proxy.exec.guarding.parts import Lacking
from clawmatrix_tool_proxy.exec.guarding.private import PrivateFolder
from clawmatrix_tool_proxy.exec.guarding.tree import Tree

if TYPE_CHECKING:
    from clawmatrix_tool_proxy.exec.guarding.job import Job
    from clawmatrix_tool_proxy.exec.guarding.orders import Orders

if sys.platform == "linux":
    from clawmatrix_tool_proxy.exec.guarding.privileges import die_with_parent, show_to_others

__all__ = ["run"]

_STREAMS = (3, 4, 5)  # what becomes the command's input, output and error output


def run(job: Job, orders: Orders) -> Message:
    """Run a command to its end, or end it, and return what there is to tell.

    ``{"failed": why, "part": name}`` says that it did not begin. ``{"exit": status}`` or
    ``{"signal": number}`` say how it ended, with ``by``: "itself", "limit" (its time), or why the
    node or another ended it, and ``seconds``. A probe tells
    ``{"missing": {part: why}}``.
    """
    private = None
    try:
        if job.private is not None:
            private = PrivateFolder(job.private, job.network.hosts)
    except OSError as error:
        return {"failed": f"{job.private}: {error.strerror}", "part": "private folder"}
    group = None
    try:
        group = None if job.cgroup is None else ProcessGroup(job.cgroup, job.processes)
        return _Running(job, private, group).to_its_end(orders)
    except OSError as error:
        return {"failed": str(error), "part": "guard"}
    finally:
        if private is not None:
            private.remove()
        if group is not None:
            group.remove()


class _Running:
    def __init__(self, job: Job, private: PrivateFolder | None, group: ProcessGroup | None) -> None:
        self._job, self._private, self._group = job, private, group

    def to_its_end(self, orders: Orders) -> Message:
        began = time.monotonic()
        errors, pid = self._forked()
        for descriptor in _STREAMS:
            os.close(descriptor)  # so that they end with the command's last process
        tree = Tree(pid)
        try:
            told = _read_all(errors)
            by = "itself" if told else self._watch(tree, orders, began)
        finally:
            if self._group is not None:
                self._group.freeze_number()
            tree.end()
        if told:
            return Message(json.loads(told))
        return {**_outcome(tree.status), "by": by, "seconds": time.monotonic() - began}

    def _forked(self) -> tuple[int, int]:
        """Start the process of the command. Return where it tells of errors, and its id."""
        errors, telling = os.pipe()
        pid = os.fork()
        if pid:
            os.close(telling)
            return errors, pid
        try:
            self._become_command(telling)
        except Lacking as lacking:
            told: Message = {"failed": str(lacking), "part": lacking.part}
        except OSError as error:
            told = {"failed": str(error), "part": "start"}
        except BaseException as error:  # noqa: BLE001 - it must not go on as a second guard
            told = {"failed": repr(error), "part": "guard"}
        _say(telling, told)
        os._exit(127)

    def _become_command(self, telling: int) -> None:
        signal.set_wakeup_fd(-1)
        if sys.platform == "linux":
            show_to_others()
            die_with_parent()
        os.setsid()
        _arrange_streams(telling, stdin=self._job.stdin)
        if self._private is None:
            become_free(self._job)
        child = Child(self._job, self._private, self._group)
        child.confine()
        if self._job.probe:
            _say(telling, {"missing": child.missing.parts})
            os._exit(0)
        child.run()

    def _watch(self, tree: Tree, orders: Orders, began: float) -> str:
        """Wait for the end of the command, or for a reason to end it. Return which it was."""
        limit = self._job.timeout
        while tree.reap() and tree.status is None:
            left = None if limit is None else began + limit - time.monotonic()
            if left is not None and left <= 0:
                return "limit"
            orders.wait(left)
            if orders.over is not None:
                return orders.over
        return "itself"


def _arrange_streams(telling: int, *, stdin: bool) -> None:
    if not stdin:
        os.dup2(os.open(os.devnull, os.O_RDONLY), _STREAMS[0])
    for number, descriptor in enumerate(_STREAMS):
        os.dup2(descriptor, number)
    os.closerange(3, telling)
    os.closerange(telling + 1, max(os.sysconf("SC_OPEN_MAX"), 4096))


def _say(telling: int, message: Message) -> None:
    os.write(telling, json.dumps(message).encode())


def _read_all(descriptor: int) -> bytes:
    """Return what the child tells; nothing, once it has become the command."""
    parts = []
    while data := os.read(descriptor, 65_536):
        parts.append(data)
    os.close(descriptor)
    return b"".join(parts)


def _outcome(status: int | None) -> Message:
    if status is None:
        return {"exit": None}
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status)}
    return {"exit": os.WEXITSTATUS(status)}
