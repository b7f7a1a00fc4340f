"""What a guard waits for: word from its node, signals, and time."""

from __future__ import annotations

import contextlib
import os
import select
import signal

from clawmatrix_tool_proxy.exec.guarding.framing import Message, MessageReader

__all__ = ["Orders"]

_AT_ONCE = 65_536  # bytes


class Orders:
    """Reads the pipe from the node, and wakes when a child ends or somebody ends the guard.

    Args:
        pipe: the descriptor of the pipe.

    Attributes:
        over: why the command has to end: "cancelled" when the pipe has ended, as the node closed
            it or is gone; "guard ended" after a signal to the guard; None while it may run.
    """

    def __init__(self, pipe: int) -> None:
        self.over: str | None = None
        self._pipe = pipe
        self._reader = MessageReader()
        self._waiting: list[Message] = []
        self._woken = self._signals()

    def first(self) -> Message | None:
        """Wait for a message. Return None where the node is gone or the guard has to end."""
        while not self._waiting and self.over is None:
            self.wait(None)
        return self._waiting.pop(0) if self._waiting else None

    def wait(self, seconds: float | None) -> None:
        """Wait until something happens, or for so many seconds."""
        ready = select.select([self._pipe, self._woken], (), (), seconds)[0]
        if self._woken in ready:
            with contextlib.suppress(BlockingIOError):
                numbers = os.read(self._woken, _AT_ONCE)
                if any(number != signal.SIGCHLD for number in numbers):
                    self.over = "guard ended"
        if self._pipe in ready:
            self._read()

    def _read(self) -> None:
        data = os.read(self._pipe, _AT_ONCE)
        if not data:
            self.over = "cancelled"
        self._waiting += self._reader.feed(data)

    def _signals(self) -> int:
        woken, wakes = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wakes, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        return woken
