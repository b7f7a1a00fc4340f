"""The processes below a guard: finding them, and killing them until none is left."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

__all__ = ["Tree", "descendants"]

_BETWEEN_ROUNDS = 0.002  # seconds
# Children that are collected before the guard looks at anything else: a command can make them as
# fast as they are collected, and would never come to its limit of time.
_AT_ONCE = 256
_LINUX = sys.platform == "linux"


class Tree:
    """A command with all that it started.

    Args:
        command: the process of the command, which leads a group and a session of its own.

    Attributes:
        status: how the command itself ended, as ``waitpid`` has it; None while it runs.
        more: whether more children may have ended than were collected.
    """

    def __init__(self, command: int) -> None:
        self.status: int | None = None
        self.more = False
        self._command = command

    def reap(self) -> bool:
        """Collect children that have ended, some at a time. Return whether any child is left."""
        self.more = False
        for _ in range(_AT_ONCE):
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._command:
                self.status = status
        self.more = True
        return True

    def end(self) -> None:
        """Kill all of them until none is left.

        On Linux the guard is a subreaper: whoever loses its parent becomes a child of the guard,
        and once the guard has no child the tree is gone. Elsewhere a process that has left its
        group and has lost its parent is out of sight.
        """
        while True:
            found = descendants(os.getpid())
            self._kill_groups(found)
            for pid in found:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if not self.reap():
                return
            time.sleep(_BETWEEN_ROUNDS)  # between two looks for processes

    def _kill_groups(self, found: list[int]) -> None:
        """Kill whole groups, which the kernel does at one stroke: no fork can outrun that."""
        groups = {self._command}
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                groups.add(os.getpgid(pid))
        for group in groups - {os.getpgrp()}:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Return the processes below a process, parents before their children."""
    if not _LINUX:
        return _below(pid, _parents_of_ps())
    if not os.path.exists(f"/proc/{pid}/task/{pid}/children"):
        return _below(pid, _parents_of_proc())
    found = [pid]
    for parent in found:
        found += _children(parent)
    return found[1:]


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


def _below(pid: int, parents: dict[int, int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    found = [pid]
    for parent in found:
        found += children.get(parent, ())
    return found[1:]


def _parents_of_proc() -> dict[int, int]:
    parents = {}
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{int(name)}/stat", "rb") as file:
                # The name of a program is in brackets, and may itself have some.
                fields = file.read().rpartition(b")")[2].split()
            parents[int(name)] = int(fields[1])
    return parents


def _parents_of_ps() -> dict[int, int]:
    import subprocess  # slow to import, and not needed on Linux

    listed = subprocess.run(
        ["/bin/ps", "-axo", "pid=,ppid="], capture_output=True, check=False, text=True
    )
    pairs = (line.split() for line in listed.stdout.splitlines())
    return {int(pid): int(parent) for pid, parent in pairs}
