"""The switch: what happens to a frame that comes in, and how one goes out."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from clawmatrix_core.base.errors import RemoteProtocolError
from clawmatrix_core.exchange.carrier import Outcome
from clawmatrix_core.exchange.exchanges import Exchanges
from clawmatrix_core.sessions.sessions import OPENING_TYPES, PROOF_TYPE
from clawmatrix_core.wire.codec import (
    Header,
    Lane,
    decode_header,
    encode_header,
    join,
    payload_of,
    split,
)
from clawmatrix_core.wire.frames import Frame, Transit

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.base.local import Local
    from clawmatrix_core.base.log import RateLimitedLogger
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.exchange.limits import ExchangeLimits
    from clawmatrix_core.sessions.sessions import Sessions
    from clawmatrix_core.wire.codec import Wire
    from clawmatrix_core.wire.link import Link
    from clawmatrix_core.wire.ways import Ways

__all__ = ["FrameHooks", "Switch"]

_encode = msgspec.json.Encoder().encode
_NUMBERS: tuple[Literal[0, 1, 2], ...] = (0, 1, 2)  # of lanes, which take longer to say theirs

_SHOWN = 200
"""Characters of a message about a peer that are logged: a part of it may be the peer's text."""


class FrameHooks(Protocol):
    """Gives frames to plugins; True where one took it."""

    def frame(self, frame: Frame) -> bool:
        """Give a frame for this node to the plugins that want its type."""

    def transit(self, transit: Transit) -> bool:
        """Give a frame for another node to the plugins that pass frames on."""


class Switch:
    """Takes messages from links and gives frames to what they are for, and the way back.

    Attributes:
        exchanges: the exchanges whose frames it carries.
        heard: the clock's time at which each node was last heard, by a body it sealed.
        next_link: returns the link that frames for a node go out by.
        instance_of, key_of: return the run of a node that frames reach, and the key of the
            session that they go under; None while there is no session.
    """

    def __init__(
        self,
        local: Local,
        ways: Ways,
        sessions: Sessions,
        hooks: FrameHooks,
        log: RateLimitedLogger,
        limits: ExchangeLimits | None = None,
    ) -> None:
        self.exchanges = Exchanges(local, self, limits)
        self.heard: dict[NodeId, float] = {}
        self.next_link = ways.next_link
        self.instance_of, self.key_of = sessions.instance_of, sessions.key_of
        self._local = local
        self._own = local.node_id
        self._now, self._wall = local.now, local.wall
        self._sessions = sessions
        self._hooks = hooks
        self._log = log
        self._looping: deque[Frame] | None = None

    def __repr__(self) -> str:
        return f"<Switch of {self._own}, {len(self.heard)} heard>"

    # --- out

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
            source=self._own,
            to=to,
            timestamp=int(self._wall() * 1000),
            body="sealed",
            seq=seq,
            re=re,
            fin=fin,
            ack=ack,
            limit=limit,
            deadline=deadline,
            lane=_NUMBERS[lane],
        )
        if to == self._own:
            value, data = payload_of(kind, payload)
            key = self._sessions.own_key
            self._loop_back(Frame(header, value, None, len(payload), data, key))
            return Outcome.SENT
        link = self.next_link(to)
        if link is None:
            return Outcome.NO_ROUTE
        session = self._sessions.sending(to)
        if session is None:
            self._sessions.ensure(to)
            return Outcome.NO_SESSION
        line = encode_header(header)
        message = join(line, session.seal(line, kind + payload))
        return Outcome.SENT if link.enqueue(message, lane) else Outcome.CONGESTED

    def send_to_neighbour(
        self, link: Link, type_: str, id_: str, payload: Any, lane: Lane = Lane.CONTROL
    ) -> bool:
        """Send one frame over a link, to the node at its other end; False if it cannot go."""
        session = self._sessions.sending_on(link.session)
        if session is None:
            self._sessions.ensure(link.peer)
            return False
        header = Header(
            type=type_,
            id=id_,
            source=self._own,
            to=link.peer,
            timestamp=int(self._wall() * 1000),
            body="sealed",
            lane=_NUMBERS[lane],
        )
        line = encode_header(header)
        return link.enqueue(join(line, session.seal(line, b"j" + _encode(payload))), lane)

    def when_space(self, peer: NodeId, lane: Lane, call: Callable[[], None]) -> None:
        """Call once, when the link to a node has space in a lane again."""
        link = self.next_link(peer)
        if link is not None:
            link.when_space(lane, call)

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
            self.report(link.peer, error.reason, str(error))
            raise
        if header.to != self._own:
            if not self._hooks.transit(Transit(wire, header, link)):
                self.report(link.peer, "no_transit", "a frame for another node, and no relay here")
            return
        try:
            if header.body == "sealed":
                self._on_sealed(wire, header, link)
            elif header.type in OPENING_TYPES and header.body == "bytes":
                self._on_opening(header, wire.body, link)
            else:
                self.report(link.peer, "unsealed", f"an unsealed {header.type} frame")
        except RemoteProtocolError as error:
            # What lies behind the header is the origin's; the neighbour may only carry it.
            self.report(header.source, error.reason, str(error), link=link)

    def _on_opening(self, header: Header, body: bytes, link: Link) -> None:
        if header.type == "session_unknown":
            # An honest node says so too, after a restart; but anybody can write it.
            self._local.count(header.type)
            self.note(header.source, header.type, "a session is not known there", link)
        self._sessions.on_frame(header, body, direct=link.peer == header.source)

    def _on_sealed(self, wire: Wire, header: Header, link: Link) -> None:
        opened = self._sessions.open(header, wire.line, wire.body)
        if opened is None:
            self.note(header.source, "unknown_session", "a session that is not known here", link)
            return
        plaintext, key = opened
        self.heard[header.source] = self._now()
        if header.type == PROOF_TYPE:
            self._sessions.on_proof(header, wire.body)
            return
        try:
            payload, data = payload_of(plaintext[:1], plaintext[1:])
        except RemoteProtocolError as error:
            self.exchanges.spoil(header, error, key)
            raise
        self.deliver(Frame(header, payload, link, len(plaintext) - 1, data, key))

    def deliver(self, frame: Frame) -> None:
        """Give a frame for this node to its exchange, else to the plugins."""
        if self.exchanges.deliver(frame) or self._hooks.frame(frame):
            return
        header = frame.header
        self.report(header.source, "unknown_type", f"a {header.type} frame", link=frame.link)
        self.exchanges.refuse(frame, "unknown_type", f"{self._own} has no {header.type!r}")

    # --- what is told of other nodes

    def report(self, who: str, reason: str, message: str, *, link: Link | None = None) -> None:
        """Count something that is refused, and log it once in a while.

        ``who`` is the node that did it, ``link`` what brought it, where that is another node's.
        """
        self._local.count(reason)
        via = who if link is None else link.peer
        by = "" if via == who else f" (by way of {via})"
        self._log.warning((reason, via), "refused from %s%s: %s", who, by, message[:_SHOWN])

    def note(self, who: str, reason: str, message: str, link: Link) -> None:
        """Log what may be an attack, but comes up without one too."""
        key = (reason, link.peer)
        self._log.log(logging.INFO, key, "from %s, by way of %s: %s", who, link.peer, message)
