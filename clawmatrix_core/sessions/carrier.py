"""What carries the frames that open and prove sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.sessions.session import Session

__all__ = ["SessionCarrier"]


class SessionCarrier(Protocol):
    """Sends the frames of sessions that are no bodies of others."""

    def send_opening(
        self, to: NodeId, type_: str, id_: str, body: bytes, direct: bool = False
    ) -> bool:
        """Send an unsealed frame of an opening; False if it has no way to go.

        With ``direct`` it goes over the link to the node itself, where there is one.
        """

    def send_proof(self, session: Session, answer: bool) -> bool:
        """Send a frame that is empty but sealed, as proof that this node has the keys."""
