"""The end of a stop that takes too long: who holds it up is named, and the process ends."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from clawmatrix_core.cli.context import ExitCode, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core.kernel.node import Node

__all__ = ["StopLimit"]


class StopLimit:
    """Ends the process where the node has not stopped within its time.

    A ``with`` block around the node. The time is measured in a thread: a plugin may block the
    event loop, or swallow its cancellation for ever.
    """

    def __init__(
        self,
        seconds: float,
        held_up_by: Callable[[], Sequence[str]],
        *,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        """Make one.

        Args:
            seconds: how long a stop may take.
            held_up_by: returns what the stop waits for.
            end: ends the process with an exit code.
        """
        self._seconds = seconds
        self._held_up_by = held_up_by
        self._end = end
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def begin(self) -> None:
        """Count from now on. Idempotent."""
        if self._timer is None:
            self._timer = threading.Timer(self._seconds, self._over)
            self._timer.daemon = True
            self._timer.start()

    async def watch(self, node: Node) -> None:
        """Count from the moment when the node begins to stop."""
        await node.wait_stop()
        self.begin()

    def _over(self) -> None:
        who = ", ".join(self._held_up_by()) or "nobody that is known"
        told = f"not stopped within {self._seconds:g} s, held up by {who}: ended"
        with suppress(OSError, ValueError):
            sys.stderr.write(printable(f"clawmatrix: {told}") + "\n")
            sys.stderr.flush()
        logging.shutdown()
        self._end(ExitCode.FAILURE)
