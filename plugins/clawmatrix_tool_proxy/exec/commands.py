"""One command from the node's side: its guard gets the job, input goes in and output comes out."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
import attrs

from clawmatrix_tool_proxy.exec.guard_process import write_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from clawmatrix_tool_proxy.exec.guard_process import GuardProcess, Prepared
    from clawmatrix_tool_proxy.exec.guarding.framing import Message
    from clawmatrix_tool_proxy.exec.guarding.job import Job
    from clawmatrix_tool_proxy.exec.guards import Guards

__all__ = [
    "Ended",
    "GuardLost",
    "NotStarted",
    "ask_guard",
    "guarded",
    "read_some",
    "run_command",
]

_AT_ONCE: Final = 256 * 1024


class NotStarted(Exception):
    """A command did not begin.

    Attributes:
        part: the part of the confinement that refused it, or another word for the reason.
    """

    def __init__(self, part: str, why: str) -> None:
        super().__init__(why)
        self.part = part


class GuardLost(Exception):
    """A guard was killed: how its command ended is not known."""


@attrs.frozen
class Ended:
    """How a command ended, with all that it had started.

    Attributes:
        exit: its exit status, None where a signal ended it.
        signal: the number of that signal.
        by: "itself", or why it was killed: "limit" (its time), or "guard ended" (somebody ended
            the guard).
        seconds: how long it ran.
        stdout: how many bytes it wrote to its output.
        stderr: how many to its error output.
    """

    exit: int | None
    signal: int | None
    by: str
    seconds: float
    stdout: int
    stderr: int


async def run_command(
    guards: Guards,
    job: Job,
    output: Callable[[str, bytes], Awaitable[object]],
    *,
    stdin: bytes = b"",
) -> Ended:
    """Run a command. Where this is cancelled, nothing of the command is left when it returns.

    Args:
        guards: start its guard.
        job: what to run.
        output: takes "stdout" or "stderr" and bytes, as they come; the command waits meanwhile.
        stdin: its input.

    Raises: NotStarted; GuardLost; OSError, where no guard can be started; what ``output`` raises.
    """
    async with guarded(guards, job) as guard:
        streams = _Streams(guard, output)
        await streams.carry(stdin)
        told = await _told(guard)
    return Ended(
        exit=told.get("exit"),
        signal=told.get("signal"),
        by=told["by"],
        seconds=told["seconds"],
        stdout=streams.counts["stdout"],
        stderr=streams.counts["stderr"],
    )


async def ask_guard(guards: Guards, job: Job) -> Message:
    """Give a guard a job that is a probe, and return what it tells. Raises: see ``run_command``."""
    async with guarded(guards, job) as guard:
        return await _told(guard)


@asynccontextmanager
async def guarded(guards: Guards, job: Job) -> AsyncIterator[GuardProcess]:
    """Hand a job to a guard, and leave nothing of it at the end, however that comes about."""
    guard = guards.take()
    if guard.prepared is not None:
        job = _with_folders(job, guard.prepared)
    try:
        with suppress(BrokenPipeError):  # it has ended: that is seen when it should tell
            await guard.send(job.to_json())
        yield guard
    finally:
        await guards.give_back(guard, job)


def _with_folders(job: Job, prepared: Prepared) -> Job:
    """Return a job with the folders that its guard has prepared, where they are in fit places."""
    if os.path.dirname(prepared.private) == os.path.dirname(job.private):
        job = job._replace(private=prepared.private)
    return job._replace(cgroup=prepared.cgroup or job.cgroup)


async def _told(guard: GuardProcess) -> Message:
    """Return what a guard tells at the end. Raises: NotStarted; GuardLost."""
    told = await guard.told()
    if told is None:
        raise GuardLost("the guard of the command was killed")
    if "failed" in told:
        raise NotStarted(told["part"], told["failed"])
    return told


class _Streams:
    """A command's input and output.

    Attributes:
        counts: how many bytes came out, by the name of the stream.
    """

    def __init__(
        self, guard: GuardProcess, output: Callable[[str, bytes], Awaitable[object]]
    ) -> None:
        self.counts = {"stdout": 0, "stderr": 0}
        self._guard, self._output = guard, output
        self._failed: Exception | None = None

    async def carry(self, stdin: bytes) -> None:
        """Carry input in, and output out until both streams have ended and the guard has told."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._feed, stdin)
            group.start_soon(self._notice_loss, group.cancel_scope)
            group.start_soon(self._out, "stdout", self._guard.stdout, group.cancel_scope)
            await self._out("stderr", self._guard.stderr, group.cancel_scope)
        if self._failed is not None:
            raise self._failed

    async def _feed(self, stdin: bytes) -> None:
        with suppress(BrokenPipeError):  # the command does not read it
            await write_all(self._guard.stdin, stdin)
        self._guard.close(self._guard.stdin)

    async def _notice_loss(self, scope: anyio.CancelScope) -> None:
        if await self._guard.told() is None:
            scope.cancel()  # what the guard left behind may hold the streams open

    async def _out(self, name: str, descriptor: int, scope: anyio.CancelScope) -> None:
        try:
            while data := await read_some(descriptor):
                self.counts[name] += len(data)
                await self._output(name, data)
                await anyio.lowlevel.checkpoint()  # output that is dropped is not waited for
        except Exception as error:  # noqa: BLE001 - it is raised where the group has ended
            self._failed = error
            scope.cancel()


async def read_some(descriptor: int) -> bytes:
    """Return what a pipe has, at least a byte; nothing at its end. Raises: OSError."""
    while True:
        try:
            return os.read(descriptor, _AT_ONCE)
        except BlockingIOError:
            await anyio.wait_readable(descriptor)
