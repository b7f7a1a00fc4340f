"""The switch: what happens to a frame that comes in, and how one goes out."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from clawmatrix_core.base.errors import DecryptError, RemoteProtocolError
from clawmatrix_core.exchange.exchange import Outcome
from clawmatrix_core.sessions.sessions import OPENING_TYPES, PROOF_TYPE
from clawmatrix_core.wire.codec import (
    Header,
    Lane,
    Wire,
    decode_header,
    encode_header,
    join,
    payload_of,
    split,
)
from clawmatrix_core.wire.frames import Frame, Transit

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping

    from clawmatrix_core.base.log import RateLimitedLogger
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.exchange.exchanges import Exchanges
    from clawmatrix_core.kernel.routes import Route
    from clawmatrix_core.sessions.session import Session
    from clawmatrix_core.sessions.sessions import Sessions
    from clawmatrix_core.wire.link import Link

__all__ = ["FrameHooks", "Switch"]

_encode = msgspec.json.Encoder().encode

_SHOWN = 200
"""Characters of a message about a peer that are logged: a part of it may be the peer's text."""


class FrameHooks(Protocol):
    """Offers frames to plugins; True where one took it."""

    def frame(self, frame: Frame) -> bool: ...

    def transit(self, transit: Transit) -> bool: ...


class Switch:
    """Takes messages from links and gives frames to who they are for, and the way back.

    Attributes:
        links: the open link to each neighbour.
        routes: where frames for others go, kept by the node.
        heard: the clock's time at which each node was last heard, by a body it sealed.
    """

    def __init__(
        self,
        *,
        own: NodeId,
        hooks: FrameHooks,
        counters: Counter[str],
        now: Callable[[], float],
        wall: Callable[[], float],
        log: RateLimitedLogger,
    ) -> None:
        self.own = own
        self.links: dict[NodeId, Link] = {}
        self.routes: Mapping[NodeId, Route] = {}
        self.heard: dict[NodeId, float] = {}
        self.sessions: Sessions
        self.exchanges: Exchanges
        self._hooks = hooks
        self._counters = counters
        self._now = now
        self._wall = wall
        self._log = log
        self._looping: deque[Frame] | None = None

    # --- out

    def next_link(self, to: NodeId) -> Link | None:
        """Return the link that frames for a node go out by; None where there is no route."""
        route = self.routes.get(to)
        if route is not None:
            link = self.links.get(route.next_hop)
            if link is not None:
                return link
        return self.links.get(to)

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
        """Seal a frame and put it on its way. ``kind`` is ``b"j"``, ``b"b"`` or ``b"m"``."""
        header = Header(
            type=type_,
            id=id_,
            source=self.own,
            to=to,
            timestamp=int(self._wall() * 1000),
            body="sealed",
            seq=seq,
            re=re,
            fin=fin,
            ack=ack,
            limit=limit,
            deadline=deadline,
            lane=lane.value,
        )
        if to == self.own:
            value, data = payload_of(kind, payload)
            self._loop_back(Frame(header, value, None, len(payload), data))
            return Outcome.SENT
        link = self.next_link(to)
        if link is None:
            return Outcome.NO_ROUTE
        session = self.sessions.sending(to)
        if session is None:
            self.sessions.ensure(to)
            return Outcome.NO_SESSION
        line = encode_header(header)
        message = join(line, session.seal(line, kind + payload))
        return Outcome.SENT if link.offer(message, lane) else Outcome.CONGESTED

    def send_to_neighbour(
        self, link: Link, type_: str, id_: str, payload: Any, lane: Lane = Lane.CONTROL
    ) -> bool:
        """Send one frame over a link, to the node at its other end; False if it cannot go."""
        session = self.sessions.sending_on(link.session)
        if session is None:
            self.sessions.ensure(link.peer)
            return False
        header = Header(
            type=type_,
            id=id_,
            source=self.own,
            to=link.peer,
            timestamp=int(self._wall() * 1000),
            body="sealed",
            lane=lane.value,
        )
        line = encode_header(header)
        return link.offer(join(line, session.seal(line, b"j" + _encode(payload))), lane)

    def send_opening(
        self, to: NodeId, type_: str, id_: str, body: bytes, direct: bool = False
    ) -> bool:
        """Send an unsealed frame of a session's opening; False if it has no way to go.

        With ``direct`` it goes over the link to the node itself, where there is one.
        """
        link = (self.links.get(to) if direct else None) or self.next_link(to)
        if link is None:
            return False
        header = Header(
            type=type_,
            id=id_,
            source=self.own,
            to=to,
            timestamp=int(self._wall() * 1000),
            body="bytes",
            lane=Lane.CONTROL.value,
        )
        return link.offer(join(encode_header(header), body), Lane.CONTROL)

    def send_proof(self, session: Session, answer: bool) -> bool:
        """Send a sealed frame that says nothing; False if it has no way to go."""
        link = self.next_link(session.peer)
        if link is None:
            return False
        header = Header(
            type=PROOF_TYPE,
            id="",
            source=self.own,
            to=session.peer,
            timestamp=int(self._wall() * 1000),
            body="sealed",
            re=answer,
            lane=Lane.CONTROL.value,
        )
        line = encode_header(header)
        return link.offer(join(line, session.seal(line, b"j")), Lane.CONTROL)

    def _loop_back(self, frame: Frame) -> None:
        if self._looping is not None:
            self._looping.append(frame)
            return
        self._looping = deque((frame,))
        try:
            while self._looping:
                self.deliver(self._looping.popleft())
        finally:
            self._looping = None

    # --- in

    def on_message(self, link: Link, message: bytes) -> None:
        """Take a message from a link. Raises: RemoteProtocolError, which costs the link."""
        try:
            wire = split(message)
            header = decode_header(wire.line)
        except RemoteProtocolError as error:
            self.refuse(link.peer, error.reason, str(error))
            raise
        if header.to != self.own:
            if not self._hooks.transit(Transit(wire, header, link)):
                self.refuse(link.peer, "no_transit", "a frame for another node, and no relay here")
            return
        try:
            if header.body == "sealed":
                self._on_sealed(wire, header, link)
            elif header.type in OPENING_TYPES and header.body == "bytes":
                self._on_opening(header, wire.body, link)
            else:
                self.refuse(link.peer, "unsealed", f"an unsealed {header.type} frame")
        except RemoteProtocolError as error:
            # What lies behind the header is the origin's; the neighbour may only carry it.
            self.refuse(header.source, error.reason, str(error), link=link)

    def _on_opening(self, header: Header, body: bytes, link: Link) -> None:
        if header.type == "session_unknown":
            # An honest node says so too, after a restart; but anybody can write it.
            self._counters[header.type] += 1
            self.note(header.source, header.type, "a session is not known there", link)
        self.sessions.on_frame(header, body, direct=link.peer == header.source)

    def _on_sealed(self, wire: Wire, header: Header, link: Link) -> None:
        plaintext = self.sessions.open(header, wire.line, wire.body)
        if plaintext is None:
            self.note(header.source, "unknown_session", "a session that is not known here", link)
            return
        if not plaintext:
            raise DecryptError("a body without its kind", reason="bad_body")
        self.heard[header.source] = self._now()
        if header.type == PROOF_TYPE:
            self.sessions.on_proof(header, wire.body)
            return
        try:
            payload, data = payload_of(plaintext[:1], plaintext[1:])
        except RemoteProtocolError as error:
            self.exchanges.spoil(header, error)
            raise
        self.deliver(Frame(header, payload, link, len(plaintext) - 1, data))

    def deliver(self, frame: Frame) -> None:
        """Give a frame for this node to its exchange, else to the plugins."""
        if self.exchanges.deliver(frame) or self._hooks.frame(frame):
            return
        header = frame.header
        self.refuse(header.source, "unknown_type", f"a {header.type} frame", link=frame.link)
        self.exchanges.refuse(frame, "unknown_type", f"{self.own} has no {header.type!r}")

    def refuse(self, who: str, reason: str, message: str, *, link: Link | None = None) -> None:
        """Count something refused, and log it once in a while, for each link it came by."""
        self._counters[reason] += 1
        via = who if link is None else link.peer
        by = "" if via == who else f" (by way of {via})"
        self._log.warning((reason, via), "refused from %s%s: %s", who, by, message[:_SHOWN])

    def note(self, who: str, reason: str, message: str, link: Link) -> None:
        """Log what may be an attack, but comes up without one too."""
        key = (reason, link.peer)
        self._log.log(logging.INFO, key, "from %s, by way of %s: %s", who, link.peer, message)
