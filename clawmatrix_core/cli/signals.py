"""What signals do to a node that runs in the foreground."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.base.errors import ClawMatrixError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskStatus

    from clawmatrix_core.kernel.node import Node

__all__ = ["Signals"]

_log = logging.getLogger("clawmatrix.node")


class Signals:
    """Turns signals into what the node is to do.

    A first SIGINT or SIGTERM stops it, a second one ends the program. SIGHUP has it read its
    configuration again; where it says that the terminal is gone, it stops the node.

    Attributes:
        node: the node, once it is up.
        starting: cancelled by a signal that comes before.
    """

    def __init__(self, stopping: Callable[[], None] = lambda: None) -> None:
        """Make one; ``stopping`` is called as the first SIGINT or SIGTERM comes."""
        self._stopping = stopping
        self.node: Node | None = None
        self.starting = anyio.CancelScope()
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # started by nohup
        self._terminal = not ignored and _has_terminal()
        self._hung_up = anyio.Event()

    async def watch(self, *, task_status: TaskStatus[None]) -> None:
        """Handle signals, until cancelled."""
        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        with anyio.open_signal_receiver(*wanted) as signals:
            task_status.started()
            first = True
            async for number in signals:
                if number == signal.SIGHUP and (not self._terminal or _has_terminal()):
                    self._hung_up.set()
                    continue
                if not first:
                    os._exit(128 + number)  # files are replaced as a whole: none is torn
                first = False
                self._stopping()
                if self.node is not None:
                    self.node.stop()
                else:
                    self.starting.cancel()

    async def reload(self) -> None:
        """Reload the node after each SIGHUP, those while it started among them."""
        while True:
            await self._hung_up.wait()
            self._hung_up = anyio.Event()
            if self.node is not None:
                await _reload(self.node)


async def _reload(node: Node) -> None:
    try:
        changes = await node.reload()
    except ConfigError as error:
        for problem in error.problems:
            _log.error("the configuration has a mistake, nothing was reloaded: %s", problem)
    except ClawMatrixError as error:
        _log.error("nothing was reloaded: %s", error)
    else:
        for fault in changes.faults:
            _log.error("not all of the configuration is in force: %s", fault)


def _has_terminal() -> bool:
    """Say whether the process has a terminal that can be opened: one that closed cannot."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
