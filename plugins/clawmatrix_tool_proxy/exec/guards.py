"""The guards of a node: one for each command, and one that waits for the next."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.exec.guard_process import GuardProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Guards"]


class Guards:
    """Starts guards.

    Args:
        python: the command of the Python that they run on; this process's own unless given.
        spare: whether one may wait for the next command, which then begins sooner.
    """

    def __init__(self, python: Sequence[str] | None = None, *, spare: bool = False) -> None:
        self._python = [sys.executable] if python is None else list(python)
        self.spare = spare
        self._waiting: GuardProcess | None = None

    def take(self) -> GuardProcess:
        """Return a guard for one command; end it with ``gone``. Raises: OSError."""
        guard, self._waiting = self._waiting, None
        if guard is not None and not guard.gone_already():
            return guard
        if guard is not None:
            guard.close_all()
        return GuardProcess(self._python)

    def prepare(self) -> None:
        """Start the guard that waits for the next command, where one may. Raises: OSError."""
        if self.spare and self._waiting is None:
            self._waiting = GuardProcess(self._python)

    async def close(self) -> None:
        """End the guard that waits."""
        guard, self._waiting, self.spare = self._waiting, None, False
        if guard is not None:
            await guard.gone()
