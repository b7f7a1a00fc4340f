"""Processes that other plugins keep running, each under a guard, as commands are."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, NoReturn

import anyio

from clawmatrix_tool_proxy.exec.commands import guarded, read_some
from clawmatrix_tool_proxy.exec.guard_process import write_all
from clawmatrix_tool_proxy.exec.guarding.job import MARK, Job
from clawmatrix_tool_proxy.exec.guards import Guards
from clawmatrix_tool_proxy.process import ProcessEnded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from clawmatrix_tool_proxy.exec.guard_process import GuardProcess
    from clawmatrix_tool_proxy.process import GuardedProcess

__all__ = ["free_job", "lasting"]

_GRACE: Final = 1.0
"""Seconds that a process gets to end by itself once its input has ended."""


class _Lasting:
    """See ``clawmatrix_tool_proxy.process.GuardedProcess``."""

    def __init__(self, guard: GuardProcess) -> None:
        self._guard = guard
        self._asking = anyio.Lock()

    async def write(self, data: bytes) -> None:
        """Write all of the bytes to its input. Raises: OSError, where it has closed it."""
        await write_all(self._guard.stdin, data)

    async def read(self) -> bytes:
        """Return some of its output; nothing at the end."""
        return await read_some(self._guard.stdout)

    async def read_errors(self) -> bytes:
        """Return some of its error output; nothing at the end."""
        return await read_some(self._guard.stderr)

    async def ended(self) -> NoReturn:
        """Wait until it has ended with all that it started. Raises: ProcessEnded, always."""
        async with self._asking:  # one at a time may wait for a pipe
            told = await self._guard.told()
        if told is None:
            raise ProcessEnded("its guard was killed")
        if "failed" in told:
            raise ProcessEnded(f"it did not start: {told['failed']} ({told['part']})")
        if "signal" in told:
            raise ProcessEnded(f"it was ended by signal {told['signal']}")
        raise ProcessEnded(f"it ended with status {told['exit']}")

    async def take_leave(self) -> None:
        """End its input, and give it a moment to end by itself."""
        self._guard.close(self._guard.stdin)
        with anyio.move_on_after(_GRACE), suppress(ProcessEnded):
            await self.ended()


def free_job(argv: Sequence[str], env: Mapping[str, str], folder: str) -> Job:
    """Return the job of a process that nothing holds in.

    Args:
        argv: the arguments, the program's whole path first.
        env: its whole environment.
        folder: where it starts.
    """
    # By its mark a process is found whose guard was killed.
    marked = {**env, MARK: secrets.token_hex(8)}
    return Job(
        argv=tuple(argv),
        env=marked,
        root=None,
        cwd=(),
        stdin=True,
        timeout=None,
        private="",
        roots=(),
        free=folder,
    )


@asynccontextmanager
async def lasting(job: Job) -> AsyncIterator[GuardedProcess]:
    """Run a process for as long as the block lasts; at its end nothing of it is left.

    It dies with this process too, whatever kills that. Raises: OSError, where no guard starts.
    """
    async with guarded(Guards(), job) as guard:
        process = _Lasting(guard)
        try:
            yield process
        finally:
            with anyio.CancelScope(shield=True):
                await process.take_leave()
