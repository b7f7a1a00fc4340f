"""The guards of a node: one for each command, and one that waits for the next."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from clawmatrix_core import Bound
from clawmatrix_tool_proxy.exec.guard_process import GuardProcess, Prepared
from clawmatrix_tool_proxy.exec.guarding.private import remove_folder
from clawmatrix_tool_proxy.exec.leftovers import clear_away

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from anyio.abc import TaskGroup

    from clawmatrix_tool_proxy.exec.guarding.job import Job

__all__ = ["TIDYING", "Guards", "new_folders"]

TIDYING = Bound(
    8,
    "guards that tidy up after commands whose results are out already",
    fed_by="a member",
    when_full="the result of the next command waits until its guard has ended",
)
_PATIENCE: Final = 5.0  # seconds that a guard gets to end its command before it is killed itself


def new_folders(temporary: str, cgroup: str | None) -> Prepared:
    """Return folders for a command, under a name that nobody knows beforehand.

    Args:
        temporary: the folder for temporary ones, without symbolic links.
        cgroup: the folder in which its cgroup may be made, None without.
    """
    name = f"clawmatrix-{secrets.token_hex(8)}"
    return Prepared(f"{temporary}/{name}", cgroup and f"{cgroup}/{name}")


class Guards:
    """Starts guards, and ends them.

    Inside a ``with``, guards whose command has ended tidy up in the background, and only then the
    next spare guard is started: the result of a command waits for neither. Without it, whoever
    gives a guard back waits.

    Args:
        python: the command of the Python that they run on; this process's own unless given.
        spare: whether one may wait for the next command, which then begins sooner.
        cgroup: the folder in which the spare guard may make a cgroup, None without.
    """

    def __init__(
        self,
        python: Sequence[str] | None = None,
        *,
        spare: bool = False,
        cgroup: str | None = None,
    ) -> None:
        self._python = [sys.executable] if python is None else list(python)
        self.spare, self._cgroup = spare, cgroup
        self._waiting: GuardProcess | None = None
        self._background: TaskGroup | None = None
        self._tidying = 0

    async def __aenter__(self) -> Self:
        self._background = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for those that tidy up, and end the one that waits."""
        background, self._background = self._background, None
        try:
            if background is not None:
                background.cancel_scope.shield = True
                await background.__aexit__(None, None, None)
        finally:
            with anyio.CancelScope(shield=True):
                await self.close()

    def take(self) -> GuardProcess:
        """Return a guard for one command; ``give_back`` ends it. Raises: OSError."""
        guard, self._waiting = self._waiting, None
        if guard is not None and not guard.gone_already():
            return guard
        if guard is not None:
            guard.close_all()
            _remove(guard)
        return GuardProcess(self._python)

    async def give_back(self, guard: GuardProcess, job: Job) -> None:
        """End a guard, and leave nothing of its command, however that comes about."""
        if guard.has_told and self._background is not None and self._tidying < TIDYING:
            guard.close_all()
            self._tidying += 1
            self._background.start_soon(self._end_later, guard, job)
            return
        with anyio.CancelScope(shield=True):
            await _end(guard, job)
        self._prepare_again()

    def prepare(self) -> None:
        """Start the guard that waits for the next command, where one may. Raises: OSError."""
        if self.spare and self._waiting is None:
            guard = GuardProcess(self._python)
            self._waiting = guard
            temporary = os.path.realpath(tempfile.gettempdir())
            guard.prepare(new_folders(temporary, self._cgroup))

    async def close(self) -> None:
        """End the guard that waits."""
        guard, self._waiting, self.spare = self._waiting, None, False
        if guard is not None:
            await guard.gone()
            _remove(guard)

    async def _end_later(self, guard: GuardProcess, job: Job) -> None:
        with anyio.CancelScope(shield=True):
            try:
                await _end(guard, job)
            finally:
                self._tidying -= 1
        self._prepare_again()

    def _prepare_again(self) -> None:
        with suppress(OSError):
            self.prepare()


async def _end(guard: GuardProcess, job: Job) -> None:
    """Have a guard end its command, and do it without the guard where that does not work."""
    guard.dismiss()
    told = None
    with anyio.move_on_after(_PATIENCE):
        told = await guard.told()
    if told is None:
        guard.kill()
    await guard.gone()
    if told is None or guard.failed:
        await anyio.to_thread.run_sync(clear_away, job.mark, job.private, job.cgroup)


def _remove(guard: GuardProcess) -> None:
    """Remove the folders of a guard that had no job; they are gone, unless it was killed."""
    if guard.prepared is not None:
        with suppress(OSError):
            remove_folder(guard.prepared.private)
        if guard.prepared.cgroup is not None:
            with suppress(OSError):
                os.rmdir(guard.prepared.cgroup)
