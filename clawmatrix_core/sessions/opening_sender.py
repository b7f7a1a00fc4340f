"""Sending the frames that open and prove sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.sessions.sessions import PROOF_TYPE
from clawmatrix_core.wire.codec import Body, Header, Lane, encode_header, join

if TYPE_CHECKING:
    from clawmatrix_core.base.local import Local
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.sessions.session import Session
    from clawmatrix_core.wire.link import Link
    from clawmatrix_core.wire.ways import Ways

__all__ = ["OpeningSender"]


class OpeningSender:
    """Carries the frames of sessions, which need no session to be sent: a ``SessionCarrier``."""

    def __init__(self, local: Local, ways: Ways) -> None:
        self._local = local
        self._ways = ways

    def send_opening(
        self, to: NodeId, type_: str, id_: str, body: bytes, direct: bool = False
    ) -> bool:
        """Send an unsealed frame of a session's opening; False if it has no way to go.

        With ``direct`` it goes over the link to the node itself, where there is one.
        """
        link = (self._ways.links.get(to) if direct else None) or self._ways.next_link(to)
        if link is None:
            return False
        header = self._header(to, type_, id_, "bytes")
        return link.enqueue(join(encode_header(header), body), Lane.CONTROL)

    def send_proof(self, session: Session, answer: bool) -> bool:
        """Send a frame that is empty but sealed; False if it has no way to go.

        It goes over the link to the node itself and by the route, where these differ: either
        may be dead without anybody's knowledge, and the old keys do not wait for a proof.
        """
        links = {self._ways.links.get(session.peer), self._ways.next_link(session.peer)} - {None}
        sent = [self._prove(session, answer, link) for link in links if link is not None]
        return any(sent)

    def _prove(self, session: Session, answer: bool, link: Link) -> bool:
        header = self._header(session.peer, PROOF_TYPE, "", "sealed", re=answer)
        line = encode_header(header)
        return link.enqueue(join(line, session.seal(line, b"j")), Lane.CONTROL)

    def _header(self, to: NodeId, type_: str, id_: str, body: Body, *, re: bool = False) -> Header:
        source, at = self._local.node_id, int(self._local.wall() * 1000)
        return Header(type_, id_, source, to, at, body, re=re, lane=Lane.CONTROL.value)
