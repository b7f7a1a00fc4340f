"""The connections between simulated hosts: their directions, their ends, what travels."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core.base.errors import ConnectionLost
from clawmatrix_core.testing.memory import MemoryConnection, Pipe

if TYPE_CHECKING:
    from collections.abc import Callable

    Ship = Callable[["Flow", "bytes | EndOfFlow"], None]

__all__ = ["EndOfFlow", "Flow", "SimConnection"]


@attrs.frozen(slots=True)
class EndOfFlow:
    """What travels behind the last message of a connection."""

    lost: ConnectionLost
    discard: bool = False


@attrs.define(slots=True, eq=False)
class Flow:
    """One direction of a connection.

    Attributes:
        ordered: when the last message that keeps its place arrives.
        latest: when the last of all arrives.
        stalled: what waits for the end of a block.
        orphaned: the process at the target is gone.
        cut: nothing arrives any more.
    """

    number: int
    source: str
    target: str
    pipe: Pipe = attrs.field(factory=Pipe)
    ordered: float = 0.0
    latest: float = 0.0
    stalled: deque[bytes | EndOfFlow] = attrs.field(factory=deque)
    orphaned: bool = False
    cut: bool = False
    back: Flow = attrs.field(init=False, repr=False)

    def end_source(self, lost: ConnectionLost, *, discard: bool = True) -> None:
        """End the connection as the source host sees it."""
        self.back.pipe.end_reader(lost, discard=discard)
        self.pipe.end_writer(lost)


class SimConnection(MemoryConnection):
    """The end at ``flow.source`` of a connection between simulated hosts."""

    def __init__(self, ship: Ship, remote: str, flow: Flow) -> None:
        super().__init__(remote, flow.back.pipe, flow.pipe)
        self._ship = ship
        self.flow = flow

    async def send(self, message: bytes) -> None:
        await self.flow.pipe.reserve(len(message))
        self._ship(self.flow, message)

    def send_now(self, message: bytes) -> bool:
        # Every other connection does it, so that links are simulated in both of their ways.
        taken = self.flow.number % 2 == 0 and self.flow.pipe.reserve_now(len(message))
        if taken:
            self._ship(self.flow, message)
        return taken

    async def receive(self) -> bytes:
        # Who reads a link lets others have their turn; it need not be after each message.
        message = self._incoming.get_now()
        return await self._incoming.get() if message is None else message

    def close_now(self, code: int, reason: str) -> None:
        lost = ConnectionLost.closed(code, reason)
        if not self.is_closed:
            self._ship(self.flow, EndOfFlow(lost))
        self.flow.end_source(lost)
