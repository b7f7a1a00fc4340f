"""Acknowledgements of last frames: they go with an answer, or in one frame with others.

All that an exchange sends acknowledges what it got. Where it has nothing more to send, as
after a whole answer, that would cost a frame for each exchange; so they wait for a moment,
and those to one node go together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import anyio
import msgspec

from clawmatrix_core.base.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.exchange.end import End
    from clawmatrix_core.wire.codec import Lane

__all__ = ["CREDITS", "Acknowledgements", "Credit", "read_credits"]

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


class Acknowledgements:
    """Those that are owed. ``send`` puts several to one node on their way, as a payload."""

    def __init__(self, send: Callable[[NodeId, Lane, bytes], object], wait: float) -> None:
        self._send = send
        self._wait = wait
        self._owed: list[End] = []
        self._any = anyio.Event()

    def __repr__(self) -> str:
        return f"<Acknowledgements {len(self._owed)} owed>"

    def owe(self, end: End) -> None:
        """Acknowledge what came before long, unless a frame of the exchange does it."""
        self._owed.append(end)
        self._any.set()

    async def run(self) -> None:
        """Send in time what is owed, until cancelled."""
        while True:
            await self._any.wait()
            await anyio.sleep(self._wait)
            self.flush()

    def flush(self) -> None:
        """Send what is owed now."""
        if not self._owed:
            return
        owed, self._owed = self._owed, []
        self._any = anyio.Event()
        ways: dict[tuple[NodeId, Lane], list[End]] = {}
        for end in owed:
            if end.owes:
                ways.setdefault((end.peer, end.lane), []).append(end)
        for (peer, lane), ends in ways.items():
            self._flush(peer, lane, ends)

    def _flush(self, peer: NodeId, lane: Lane, ends: list[End]) -> None:
        if len(ends) == 1:
            ends[0].acknowledge()
            return
        for at in range(0, len(ends), _TOGETHER):
            some = [end.acknowledgement() for end in ends[at : at + _TOGETHER]]
            self._send(peer, lane, _encode(some))
