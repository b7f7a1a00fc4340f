"""One guard, as the node sees it: its pipes, its words, and its end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio
import anyio.to_thread

from clawmatrix_tool_proxy.exec.guarding.framing import Message, MessageReader, pack

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["GuardProcess", "Prepared", "write_all"]

_PROGRAM: Final = Path(__file__).with_name("guard.py")
# The guard's ends get numbers above those that they are moved to.
_ABOVE: Final = 16
_PIPE: Final = 256 * 1024
_SET_PIPE_SIZE: Final = getattr(fcntl, "F_SETPIPE_SZ", None)
_AT_ONCE: Final = 65_536


class Prepared(NamedTuple):
    """What a guard makes before there is a job.

    Attributes:
        private: the private folder of its command.
        cgroup: the folder of the cgroup of its command; None without.
    """

    private: str
    cgroup: str | None


class GuardProcess:
    """A guard that waits for its job, runs its command, or has ended.

    Attributes:
        pid: its process.
        prepared: the folders that it has prepared for its command; None where it has not.
        failed: whether it was killed, or went wrong; None while it runs or that is not known.
        stdin, stdout, stderr: the node's ends of the command's pipes, which do not block.
    """

    def __init__(self, python: Sequence[str]) -> None:
        """Start it.

        Args:
            python: the command of a Python, which gets the guard's program as its arguments.

        Raises: OSError, where that is not possible.
        """
        with contextlib.ExitStack() as stack:
            pipes = [_pipe(stack, inward=way) for way in _INWARD]
            theirs, ours = [pipe[0] for pipe in pipes], [pipe[1] for pipe in pipes]
            self.pid = _spawned([*python, "-I", "-S", str(_PROGRAM)], theirs)
            stack.pop_all()
        for end in theirs:
            os.close(end)
        self._orders, self._words, self.stdin, self.stdout, self.stderr = ours
        self._open = set(ours)
        self._reader, self._messages = MessageReader(), list[Message]()
        self._waited = False
        self.prepared: Prepared | None = None
        self.failed: bool | None = None

    def prepare(self, folders: Prepared) -> None:
        """Have it prepare for a job to come. Raises: OSError, where it has ended."""
        self.prepared = folders
        # The pipe is empty, and takes this at once.
        os.write(self._orders, pack({"prepare": folders._asdict()}))

    async def send(self, job: Message) -> None:
        """Give it its job. Raises: OSError, where it has ended; ValueError, for one too long."""
        await write_all(self._orders, pack(job))

    async def told(self) -> Message | None:
        """Wait for what it tells of its command; None where it ended without a word.

        It may be called again, and tells the same.
        """
        while not self._messages:
            await anyio.wait_readable(self._words)
            data = os.read(self._words, _AT_ONCE)
            self._messages += self._reader.feed(data)
            if not data:
                break
        return self._messages[0] if self._messages else None

    @property
    def has_told(self) -> bool:
        """Whether ``told`` has its message: nothing is left of the command's processes."""
        return bool(self._messages)

    def dismiss(self) -> None:
        """Have it kill its command, if it has one, and end; also where somebody stopped it."""
        self.close(self._orders)
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it where it does not answer; the kernel kills the first process of its command."""
        self._signal(signal.SIGKILL)

    async def gone(self) -> None:
        """Wait for its end, and take away what is left of it and of its pipes."""
        self.dismiss()
        if not self._waited:
            await anyio.to_thread.run_sync(self._wait, abandon_on_cancel=False)
        self.close_all()

    def gone_already(self) -> bool:
        """Return whether it has ended."""
        if not self._waited:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid == 0:
                    return False
                self.failed = status != 0
            self._waited = True
        return True

    def close(self, descriptor: int) -> None:
        """Close one of the node's ends, once."""
        if descriptor in self._open:
            self._open.remove(descriptor)
            os.close(descriptor)

    def close_all(self) -> None:
        """Close the node's ends; a guard that still runs kills its command and ends."""
        for descriptor in tuple(self._open):
            self.close(descriptor)

    def _signal(self, number: int) -> None:
        if not self._waited:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)

    def _wait(self) -> None:
        with contextlib.suppress(ChildProcessError):  # a host may wait for all of its children
            self.failed = os.waitpid(self.pid, 0)[1] != 0
        self._waited = True


# The guard's descriptors, and which of them it reads: orders, words, and the command's three.
_NUMBERS: Final = (0, 1, 3, 4, 5)
_INWARD: Final = (True, False, True, False, False)


def _spawned(command: list[str], ends: Sequence[int]) -> int:
    """Start a process with these descriptors and no others. Raises: OSError."""
    actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_DUP2, end, number) for end, number in zip(ends, _NUMBERS, strict=True)
    ]
    actions.append((os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0))
    return os.posix_spawn(
        command[0],
        command,
        {},
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )


def _pipe(stack: contextlib.ExitStack, *, inward: bool) -> tuple[int, int]:
    """Return the guard's end of a new pipe, and the node's, which does not block."""
    reads, writes = os.pipe()
    if _SET_PIPE_SIZE is not None:
        with contextlib.suppress(OSError):  # the pipes of this user are at their limit
            fcntl.fcntl(writes, _SET_PIPE_SIZE, _PIPE)
    low, ours = (reads, writes) if inward else (writes, reads)
    try:
        theirs = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _ABOVE)
    finally:
        os.close(low)
        stack.callback(os.close, ours)
    stack.callback(os.close, theirs)
    os.set_blocking(ours, False)
    return theirs, ours


async def write_all(descriptor: int, data: bytes) -> None:
    """Write all of the bytes to a pipe that does not block. Raises: OSError."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            await anyio.wait_writable(descriptor)
