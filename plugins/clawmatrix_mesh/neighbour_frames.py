"""The frames that neighbours send each other, each handed to the part it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import RemoteProtocolError
from clawmatrix_mesh.members.revoking import REVOCATIONS

if TYPE_CHECKING:
    from clawmatrix_core import Frame, Link, Node
    from clawmatrix_mesh.links.heartbeat import Heartbeat
    from clawmatrix_mesh.members.membership import Membership
    from clawmatrix_mesh.members.revoking import Revoking

__all__ = ["NEIGHBOUR_TYPES", "NeighbourFrames"]

NEIGHBOUR_TYPES = ("heartbeat", "heartbeat_ack", "digest", "records", REVOCATIONS)
"""The types of these frames."""


class NeighbourFrames:
    """Hands each frame to the heartbeat, the membership or the revocations."""

    def __init__(
        self, node: Node, heartbeat: Heartbeat, membership: Membership, revoking: Revoking
    ) -> None:
        self._node = node
        self._heartbeat = heartbeat
        self._membership = membership
        self._revoking = revoking

    def take(self, frame: Frame) -> bool | None:
        """Take a frame; None for one that did not come from the neighbour who sent it on."""
        link = frame.link
        if link is None or frame.header.source != link.peer:
            return None
        try:
            self._hand_on(frame, link)
        except RemoteProtocolError as error:
            self._node.switch.report(link.peer, error.reason, str(error))
        return True

    def _hand_on(self, frame: Frame, link: Link) -> None:
        match frame.header.type:
            case "heartbeat":
                self._heartbeat.on_heartbeat(link, frame.payload)
            case "heartbeat_ack":
                self._heartbeat.on_ack(link, frame.payload, frame.header.timestamp / 1000)
            case "digest":
                self._membership.on_digest(link, frame.payload)
            case "records":
                self._membership.on_records(link, frame.payload)
            case _:
                self._revoking.on_frame(link, frame.payload)
