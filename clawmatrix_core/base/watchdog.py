"""Finds out who blocks the event loop."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import anyio

from clawmatrix_core.base.log import component_logger
from clawmatrix_core.base.serving import is_serving
from clawmatrix_core.base.traces import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LoopWatchdog"]

STACK_DEPTH = 20


class LoopWatchdog:
    """Reports, from a thread, an event loop that does not come round.

    A ``with`` block, entered in the thread of the loop; ``run`` goes in a task within it.
    Whoever calls foreign code sets ``current`` to its name before and to ``""`` after. Real
    time is what counts, so it has no place under a simulated clock; but for the time in which
    the machine had no processor for the loop, or the whole process was stopped (Ctrl-Z, a machine
    that sleeps), which is nobody's fault here.
    """

    current: str
    """What the loop is running, for the report."""

    def __init__(
        self,
        report: Callable[[str, float, str, bool], None],
        *,
        limit: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        starved: Callable[[], float] | None = None,
        used: Callable[[], float] = time.process_time,
    ) -> None:
        """Make one.

        Args:
            report: called once a stall, in the watchdog's thread, with the name of what
                runs, the seconds so far, the stack of the loop, and whether the loop serves
                the input of others (``base.serving``).
            limit: seconds the loop may take to come round.
            clock: seconds, from any start.
            starved: seconds for which the watched thread has waited for a processor; by default
                as Linux says, and none elsewhere.
            used: seconds of processor that the process has used.
        """
        self.current = ""
        self._report = report
        self._limit = limit
        self._clock = clock
        self._interval = limit / 4
        self._beaten = clock()
        self._reported: float | None = None
        self._watched = 0
        self._given_starved = starved
        self._waits: ProcessorWaits | None = None
        self._used = used
        self._stopped = 0.0  # seconds for which the whole process stood still
        self._looked = 0.0  # the lost seconds at the last look
        self._before: tuple[float, float] = (0.0, 0.0)  # a beat, and the seconds waited by then
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start watching the calling thread."""
        self._watched = threading.get_ident()
        if self._given_starved is None:
            self._waits = ProcessorWaits(threading.get_native_id())
        self._looked = self._lost()
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
            if self._waits is not None:
                self._waits.close()

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
        lost = self._lost()
        if self._before[0] != beaten:
            # As of the look before: time lost since then may belong to this stall.
            self._before = (beaten, self._looked)
        self._looked = lost
        waited = self._clock() - beaten - (lost - self._before[1])
        if waited <= self._limit or self._reported == beaten:
            return
        self._reported = beaten
        try:
            frame = sys._current_frames().get(self._watched)
            self._report(
                self.current or "something", waited, text_of(frame, STACK_DEPTH), is_serving(frame)
            )
        except Exception:  # noqa: BLE001 - the thread must live on
            component_logger(None, "watchdog").exception("reporting a stall failed")

    def _watch(self) -> None:
        while True:
            before, used = self._clock(), self._used()
            if self._stop.wait(self._interval):
                return
            self.note_wait(self._clock() - before, self._used() - used)
            self.check()

    def note_wait(self, seconds: float, used: float) -> None:
        """Note how long this thread slept, and how much processor the process used meanwhile.

        A wait that took far too long, in which the process computed nothing, is one in which it
        was stopped. Code that holds the interpreter's lock computes.
        """
        late = seconds - self._interval
        if late > self._interval and used < late / 2:
            self._stopped += late - used

    def _lost(self) -> float:
        """Return the seconds so far in which the loop could not have come round."""
        if self._given_starved is not None:
            return self._given_starved() + self._stopped
        return (self._waits.read() if self._waits is not None else 0.0) + self._stopped


class ProcessorWaits:
    """How long a thread has waited for a processor, as Linux counts; 0 where nobody counts.

    The file is opened once: a process that runs out of descriptors must not look blocked.
    """

    def __init__(self, thread: int) -> None:
        self._last = 0.0
        self._file: int | None = None
        with suppress(OSError):
            self._file = os.open(f"/proc/self/task/{thread}/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> float:
        """Return the seconds so far; those of the last time where they cannot be read."""
        if self._file is not None:
            with suppress(OSError, ValueError, IndexError):
                self._last = int(os.pread(self._file, 200, 0).split()[1]) / 1e9
        return self._last

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
