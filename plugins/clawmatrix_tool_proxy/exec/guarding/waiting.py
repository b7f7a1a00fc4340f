"""The process of a command: it waits for its job, and becomes the command.

What needs no job is done before. Joining a cgroup above all: the kernel waits there until all of
its processors have come by, which takes 5 to 20 ms.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, NoReturn

from clawmatrix_tool_proxy.exec.guarding.child import Child
from clawmatrix_tool_proxy.exec.guarding.free import become_free
from clawmatrix_tool_proxy.exec.guarding.job import Job
from clawmatrix_tool_proxy.exec.guarding.parts import Lacking
from clawmatrix_tool_proxy.exec.guarding.private import PrivateFolder
from clawmatrix_tool_proxy.exec.guarding.tree import Tree

if TYPE_CHECKING:
    from clawmatrix_tool_proxy.exec.guarding.cgroup import ProcessGroup
    from clawmatrix_tool_proxy.exec.guarding.framing import Message

if sys.platform == "linux":
    from clawmatrix_tool_proxy.exec.guarding.privileges import die_with_parent, show_to_others
    from clawmatrix_tool_proxy.exec.guarding.restrictions import restrict_sooner

__all__ = ["STREAMS", "WaitingProcess"]

STREAMS = (3, 4, 5)
"""What becomes the command's input, output and error output."""
_AT_ONCE = 65_536
_TAKEN = b"!"


class WaitingProcess:
    """A process below the guard that waits for its job, as the guard holds it.

    Args:
        group: the cgroup that it joins; None without.

    Attributes:
        tree: the process, with all that it starts.

    Raises: OSError.
    """

    def __init__(self, group: ProcessGroup | None) -> None:
        self._box, theirs = socket.socketpair()
        self._errors, telling = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._box.close()
            _become_command(theirs, telling, group)
        self.tree = Tree(pid)
        theirs.close()
        os.close(telling)

    def give(self, job: Message) -> bytes:
        """Give it its job. Return what it tells; nothing, once it has become the command."""
        with contextlib.suppress(OSError):  # it has ended, and has told why
            self._box.sendall(json.dumps(job).encode())
            self._box.shutdown(socket.SHUT_WR)
        parts = []
        while data := os.read(self._errors, _AT_ONCE):
            parts.append(data)
        return b"".join(parts)

    def has_job(self) -> bool:
        """Say, after ``give``, whether it had its job; somebody may have killed it before."""
        self._box.setblocking(False)
        with contextlib.suppress(OSError):
            return self._box.recv(len(_TAKEN)) == _TAKEN
        return False

    def close(self) -> None:
        """Let go of it: it ends where it waits still.

        With the box goes the namespace of the command, which lies in it.
        """
        self._box.close()
        os.close(self._errors)


# --- in the process itself


def _become_command(box: socket.socket, telling: int, group: ProcessGroup | None) -> NoReturn:
    try:
        _prepare(group)
        _become(Job.of_json(_received(box)), box, telling, grouped=group is not None)
    except Lacking as lacking:
        told: Message = {"failed": str(lacking), "part": lacking.part}
    except OSError as error:
        told = {"failed": str(error), "part": "start"}
    except BaseException as error:  # noqa: BLE001 - it must not go on as a second guard
        told = {"failed": repr(error), "part": "guard"}
    with contextlib.suppress(BrokenPipeError):  # the guard has no use for it
        _say(telling, told)
    os._exit(127)


def _prepare(group: ProcessGroup | None) -> None:
    signal.set_wakeup_fd(-1)
    if sys.platform == "linux":
        die_with_parent()
    os.setsid()
    if group is not None:
        group.join()
    if sys.platform == "linux":
        restrict_sooner()


def _received(box: socket.socket) -> Message:
    """Return the job; end where there is none."""
    parts = []
    while data := box.recv(_AT_ONCE):
        parts.append(data)
    if not parts:
        os._exit(0)
    found: Message = json.loads(b"".join(parts))
    box.sendall(_TAKEN)
    return found


def _become(job: Job, box: socket.socket, telling: int, *, grouped: bool) -> None:
    if sys.platform == "linux":
        show_to_others()
    _arrange_streams((box.fileno(), telling), stdin=job.stdin)
    if job.free is not None:
        become_free(job)
    private = PrivateFolder(job.private, hosts=job.network.hosts is not None)
    child = Child(job, private, grouped=grouped, box=box)
    child.confine()
    if job.probe:
        _say(telling, {"missing": child.missing.parts})
        os._exit(0)
    child.run()


def _arrange_streams(kept: tuple[int, int], *, stdin: bool) -> None:
    """Move the streams to their places, and close all descriptors but those that are kept."""
    if not stdin:
        os.dup2(os.open(os.devnull, os.O_RDONLY), STREAMS[0])
    for number, descriptor in enumerate(STREAMS):
        os.dup2(descriptor, number)
    first, second = sorted(kept)
    os.closerange(len(STREAMS), first)
    os.closerange(first + 1, second)
    os.closerange(second + 1, max(os.sysconf("SC_OPEN_MAX"), 4096))


def _say(telling: int, message: Message) -> None:
    os.write(telling, json.dumps(message).encode())
