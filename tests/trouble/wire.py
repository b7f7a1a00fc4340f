"""A network made of Python: machines plug in, and every port can be given trouble.

Each machine has a TAP device, whose frames come here and go on to the device of another one. What
a kernel's ``netem`` does is done here, by a seeded random: not every kernel has that.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import selectors
import struct
import threading
import time
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["CALM", "CUT", "Port", "Trouble", "Wire", "open_tap"]

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_LARGEST = 65536


@attrs.frozen
class Trouble:
    """What becomes of the frames of a port, on the way in and on the way out.

    Attributes:
        loss: the share that is lost.
        repeated: the share that arrives twice.
        damaged: the share of which one byte is another.
        delay: seconds that each takes.
        jitter: seconds that some take more; frames overtake each other by it.
        largest: bytes of the largest frame; larger ones vanish without a word.
    """

    loss: float = 0.0
    repeated: float = 0.0
    damaged: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    largest: int = _LARGEST


CALM = Trouble()
CUT = Trouble(loss=1.0)


@attrs.define(eq=False)
class Port:
    """Where a machine is plugged in. ``trouble`` may be set at any time."""

    tap: int
    trouble: Trouble = CALM


class Wire:
    """Passes frames between its ports, in a thread, while it is entered."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._ports: list[Port] = []
        self._homes: dict[bytes, Port] = {}
        self._late: list[tuple[float, int, Port, bytes]] = []
        self._number = 0
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = os.pipe()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="wire")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        os.write(self._woken, b"x")
        self._thread.join()
        for fd in (self._wake, self._woken, *(port.tap for port in self._ports)):
            os.close(fd)
        self._selector.close()

    def plug(self, tap: int) -> Port:
        """Take a TAP device, which is closed at the end."""
        port = Port(tap)
        self._ports.append(port)
        self._selector.register(tap, selectors.EVENT_READ, port)
        return port

    def _run(self) -> None:
        while True:
            wait = max(0.0, self._late[0][0] - time.monotonic()) if self._late else None
            for key, _ in self._selector.select(wait):
                if key.data is None:
                    return
                self._read(key.data)
            while self._late and self._late[0][0] <= time.monotonic():
                _, _, port, frame = heapq.heappop(self._late)
                _write(port, frame)

    def _read(self, port: Port) -> None:
        with suppress(BlockingIOError):
            while True:
                frame = os.read(port.tap, _LARGEST)
                self._homes[frame[6:12]] = port
                home = self._homes.get(frame[:6])
                for other in self._ports if home is None else [home]:
                    if other is not port:
                        self._pass_on(port, other, frame)

    def _pass_on(self, source: Port, target: Port, frame: bytes) -> None:
        delay, copies = 0.0, 1
        for trouble in (source.trouble, target.trouble):
            if len(frame) > trouble.largest or self._random.random() < trouble.loss:
                return
            copies += self._random.random() < trouble.repeated
            if self._random.random() < trouble.damaged:
                frame = self._damage(frame)
            delay += trouble.delay + self._random.random() * trouble.jitter
        for copy in range(copies):
            self._send(target, frame, delay * (1 + copy))

    def _damage(self, frame: bytes) -> bytes:
        at = self._random.randrange(14, len(frame))
        return frame[:at] + bytes([frame[at] ^ 0x20]) + frame[at + 1 :]

    def _send(self, target: Port, frame: bytes, delay: float) -> None:
        if not delay:
            _write(target, frame)
            return
        self._number += 1
        heapq.heappush(self._late, (time.monotonic() + delay, self._number, target, frame))


def _write(port: Port, frame: bytes) -> None:
    with suppress(OSError):  # the device is down, or its queue is full: the frame is lost
        os.write(port.tap, frame)


def open_tap(name: str) -> int:
    """Make a TAP device in the network of this thread; return its descriptor."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return tap
