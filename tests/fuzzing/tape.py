"""Connections that are stepped by hand: what one end waits for, its other end may alter."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from clawmatrix_core.base.errors import ConnectionLost
from clawmatrix_core.wire.transport import Connection

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

__all__ = ["Stepped", "Tape"]


class _Turn:
    def __await__(self) -> Generator[None, None, None]:
        yield


class Tape(Connection):
    """Keeps what is sent, and waits for what it is given; then it is cut."""

    remote = "memory://tape"

    def __init__(self, *incoming: bytes) -> None:
        self.incoming = deque(incoming)
        self.sent: deque[bytes] = deque()
        self.cut = False

    async def send(self, message: bytes) -> None:
        self.sent.append(message)

    async def receive(self) -> bytes:
        while not self.incoming:
            if self.cut:
                raise ConnectionLost
            await _Turn()
        return self.incoming.popleft()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.cut = True


class Stepped:
    """A coroutine that waits for nothing but a tape.

    Attributes:
        over: it has ended.
        result: what it returned; None before that, and where it raised.
        error: what it raised, of the kinds that it may.
    """

    def __init__(
        self, steps: Coroutine[Any, Any, Any], may_raise: tuple[type[Exception], ...]
    ) -> None:
        self._steps = steps
        self._may_raise = may_raise
        self.over = False
        self.result: Any = None
        self.error: Exception | None = None

    def step(self) -> None:
        """Go on until it waits for its tape."""
        if self.over:
            return
        try:
            self._steps.send(None)
        except StopIteration as stop:
            self.over, self.result = True, stop.value
        except self._may_raise as error:
            self.over, self.error = True, error
