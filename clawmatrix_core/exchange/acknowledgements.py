"""Acknowledgements of last frames: they go with an answer, or in one frame with others.

Each frame of an exchange acknowledges what has arrived. An exchange that has nothing more to
send, as after a whole answer, would need a frame for its acknowledgement alone; so it waits for
a moment, and the acknowledgements for one node go together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Protocol

import anyio
import msgspec

from clawmatrix_core.base.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.wire.codec import Lane

__all__ = ["CREDITS", "Acknowledgements", "Credit", "Owing", "read_credits"]

CREDITS = "credits"
"""The type of a frame that carries several acknowledgements."""
_TOGETHER = 256
"""Acknowledgements that go in one frame at most."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Credit = tuple[str, bool, _Count, _Count]
"""An exchange's id, and the ``re``, ``ack`` and ``limit`` that a frame of its own would have."""

_encode = msgspec.json.Encoder().encode


def read_credits(payload: Any) -> list[Credit]:
    """Return the acknowledgements in a frame. Raises: RemoteProtocolError."""
    try:
        return msgspec.convert(payload, list[Credit])
    except msgspec.ValidationError as error:
        raise RemoteProtocolError(f"bad credits: {error}", reason="bad_credits") from None


class Owing(Protocol):
    """An end of an exchange that may owe an acknowledgement."""

    @property
    def owes(self) -> bool:
        """True while something has arrived that no frame has acknowledged."""

    @property
    def peer(self) -> NodeId:
        """The node at the other end."""

    @property
    def lane(self) -> Lane:
        """The lane of its frames."""

    def send_credit(self) -> None:
        """Send the owed acknowledgement in a frame of its own."""

    def collect_credit(self) -> Credit:
        """Return the owed acknowledgement, for a frame with others, and owe it no more."""


class Acknowledgements:
    """The acknowledgements that are owed.

    ``send`` puts several for one node on their way, as one payload; ``wait`` is in seconds.
    """

    def __init__(self, send: Callable[[NodeId, Lane, bytes], object], wait: float) -> None:
        self._send = send
        self._wait = wait
        self._owed: list[Owing] = []
        self._any = anyio.Event()

    def __repr__(self) -> str:
        return f"<Acknowledgements {len(self._owed)} owed>"

    def owe(self, end: Owing) -> None:
        """Acknowledge soon what has arrived, unless a frame of the exchange does it before."""
        self._owed.append(end)
        self._any.set()

    async def run(self) -> None:
        """Send owed acknowledgements in time, until cancelled."""
        while True:
            await self._any.wait()
            await anyio.sleep(self._wait)
            self.flush()

    def flush(self) -> None:
        """Send the owed acknowledgements now."""
        if not self._owed:
            return
        owed, self._owed = self._owed, []
        self._any = anyio.Event()
        ways: dict[tuple[NodeId, Lane], list[Owing]] = {}
        for end in owed:
            if end.owes:
                ways.setdefault((end.peer, end.lane), []).append(end)
        for (peer, lane), ends in ways.items():
            self._flush(peer, lane, ends)

    def _flush(self, peer: NodeId, lane: Lane, ends: list[Owing]) -> None:
        if len(ends) == 1:
            ends[0].send_credit()
            return
        for at in range(0, len(ends), _TOGETHER):
            some = [end.collect_credit() for end in ends[at : at + _TOGETHER]]
            self._send(peer, lane, _encode(some))
