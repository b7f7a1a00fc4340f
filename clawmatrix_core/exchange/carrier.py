"""What carries the frames of exchanges, as exchanges see it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

from clawmatrix_core.wire.codec import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.base.node_id import NodeId

__all__ = ["Carrier", "Outcome"]


class Outcome(Enum):
    """What became of a frame that was to be sent."""

    SENT = "sent"
    NO_ROUTE = "no route"
    NO_SESSION = "no session yet"
    CONGESTED = "congested"


class Carrier(Protocol):
    """Puts frames on their way to other nodes; the node's switch is one."""

    def transmit(
        self,
        to: NodeId,
        type_: str,
        id_: str,
        kind: bytes,
        payload: bytes,
        *,
        seq: int = 0,
        re: bool = False,
        fin: bool = False,
        ack: int = 0,
        limit: int = 0,
        deadline: int = 0,
        lane: Lane = Lane.INTERACTIVE,
    ) -> Outcome:
        """Put one frame of an exchange on its way."""

    def instance_of(self, peer: NodeId) -> str | None:
        """Return the run of the peer that frames reach, None while there is no session."""

    def key_of(self, peer: NodeId) -> bytes | None:
        """Return the key of the session that frames go under, None while there is none."""

    def when_space(self, peer: NodeId, lane: Lane, call: Callable[[], None]) -> None:
        """Call once, when the way to the peer has space in that lane again."""

    def report(self, who: NodeId, reason: str, message: str) -> None:
        """Count and log something that another node did and that is refused."""
