"""Finds out who blocks the event loop."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Self

import anyio

from clawmatrix_core.base.log import component_logger

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LoopWatchdog"]

STACK_DEPTH = 20


class LoopWatchdog:
    """Reports, from a thread, an event loop that does not come round.

    A ``with`` block, entered in the thread of the loop; ``run`` goes in a task within it.
    Whoever calls foreign code sets ``current`` to its name before and to ``""`` after. Real
    time is what counts, so it has no place under a simulated clock; but for the time in which
    the machine had no processor for the loop, which is nobody's fault here.
    """

    current: str
    """What the loop is running, for the report."""

    def __init__(
        self,
        report: Callable[[str, float, str], None],
        *,
        limit: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        starved: Callable[[int], float] | None = None,
    ) -> None:
        """Make one.

        Args:
            report: called once a stall, in the watchdog's thread, with the name of what
                runs, the seconds so far and the stack of the loop.
            limit: seconds the loop may take to come round.
            clock: seconds, from any start.
            starved: seconds for which a thread, by its native id, has waited for a processor;
                by default as Linux says, and none elsewhere.
        """
        self.current = ""
        self._report = report
        self._limit = limit
        self._clock = clock
        self._interval = limit / 4
        self._beaten = clock()
        self._reported: float | None = None
        self._watched = self._native = 0
        self._starved = starved or waited_for_processor
        self._looked = 0.0  # what was waited at the last look
        self._before: tuple[float, float] = (0.0, 0.0)  # a beat, and what was waited by then
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start watching the calling thread."""
        self._watched, self._native = threading.get_ident(), threading.get_native_id()
        self._looked = self._starved(self._native)
        self._stop.clear()
        self.beat()
        self._thread = threading.Thread(target=self._watch, name="loop watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; returns when the thread is gone. Idempotent."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None

    def beat(self) -> None:
        """Say that the loop has come round."""
        self._beaten = self._clock()

    async def run(self) -> None:
        """Beat for ever; runs as a task of the loop that is watched."""
        while True:
            self.beat()
            await anyio.sleep(self._interval)

    def check(self) -> None:
        """Report a stall that has not been reported. The thread calls this."""
        beaten = self._beaten
        starved = self._starved(self._native)
        if self._before[0] != beaten:
            # As of the look before: what was waited since may have been waited in this stall.
            self._before = (beaten, self._looked)
        self._looked = starved
        waited = self._clock() - beaten - (starved - self._before[1])
        if waited <= self._limit or self._reported == beaten:
            return
        self._reported = beaten
        try:
            self._report(self.current or "something", waited, self._stack())
        except Exception:  # noqa: BLE001 - the thread must live on
            component_logger(None, "watchdog").exception("reporting a stall failed")

    def _watch(self) -> None:
        while not self._stop.wait(self._interval):
            self.check()

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._watched)
        if frame is None:
            return ""
        return "".join(traceback.format_stack(frame)[-STACK_DEPTH:])


def waited_for_processor(thread: int) -> float:
    """Return the seconds that a thread was ready to run and did not; 0 where nobody counts."""
    try:
        counts = Path(f"/proc/self/task/{thread}/schedstat").read_text().split()
        return int(counts[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
