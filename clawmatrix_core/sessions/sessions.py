"""The sessions of a node: which keys a body to or from another node is sealed under.

A link brings its own session. Two nodes that are not neighbours make one with the Noise
pattern KKpsk0, from the keys in their signed records, over whatever relays there are; the
two messages of it (``session_open``, ``session_accept``) and the hint that a session is not
known (``session_unknown``) are the only frames that travel unsealed.

Neighbours and others get new keys in the same way: when a session has been used for long
enough, one more is opened beside it, and both ends seal under the later one. The earlier one
opens what is still on its way, and is dropped, keys and all.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core.base.errors import DecryptError, HandshakeError, RemoteProtocolError
from clawmatrix_core.sessions.doorkeeper import RATE, Doorkeeper
from clawmatrix_core.sessions.noise import KKPSK0, Handshake
from clawmatrix_core.sessions.rekeying import Rekeying
from clawmatrix_core.sessions.session import Session, sealed_session_id
from clawmatrix_core.sessions.table import Kept, SessionTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.members.directory import Directory
    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.wire.codec import Header

__all__ = ["OPENING_TYPES", "PROOF_TYPE", "Sessions"]

OPENING_TYPES = frozenset({"session_open", "session_accept", "session_unknown"})
PROOF_TYPE = "session_proof"
"""A sealed frame that says nothing: its opener has the keys. Answered by one with ``re``."""

_log = logging.getLogger("clawmatrix.session")

_UNCONFIRMED_LIFE = 30.0
_UNPROVED_LIFE = 20.0
"""Seconds for which an opener seals under a session, nothing having come back under it."""
_LINGER = 30.0
"""Seconds for which a session that was replaced, or whose link closed, still opens what was
on its way; counted from the last body that came under it."""
_RETRY = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between one try at opening a session and the next: short ones first, since the other
end may only be waiting for this node's record."""
_HINT_GAP = 1.0
"""Seconds between two hints that a session is not known, each way."""
_FORGET = 60.0
"""Seconds for which a try at opening, and a hint, are remembered."""


@attrs.define
class _Opening:
    """A session this node is opening."""

    id: str
    handshake: Handshake
    psk: bytes = attrs.field(repr=False)
    at: float
    tries: int


class Sessions:
    """Finds, makes and forgets sessions. Sends nothing but openings, by ``send``.

    That is told whether to rather send over the link to the peer, where there is one.
    """

    def __init__(
        self,
        *,
        own: NodeId,
        instance: str,
        identity: Identity,
        psks: Callable[[], Sequence[bytes]],
        directory: Directory,
        now: Callable[[], float],
        new_id: Callable[[], str],
        send: Callable[[NodeId, str, str, bytes, bool], bool],
        ready: Callable[[NodeId, str], None],
        prove: Callable[[Session, bool], object],
        count: Callable[[str], None],
        rekeying: Rekeying | None = None,
        openings: float = RATE,
    ) -> None:
        self._own = own
        self._instance = instance
        self._identity = identity
        self._psks = psks
        self._directory = directory
        self._now = now
        self._new_id = new_id
        self._send = send
        self._ready = ready
        self._prove = prove
        self._count = count
        self._rekeying = rekeying or Rekeying()
        self._door = Doorkeeper(now, openings)
        self._table = SessionTable()
        self._links, self._current = self._table.links, self._table.current
        self._by_id = self._table.by_id
        self.sending, self.sending_on = self._table.sending, self._table.sending_on
        self._openings: dict[NodeId, _Opening] = {}
        self._hinted: dict[tuple[str, NodeId], float] = {}

    def __repr__(self) -> str:
        return (
            f"<Sessions of {self._own}: {len(self._links)} links, {len(self._current)} others,"
            f" {len(self._openings)} opening>"
        )

    @property
    def all(self) -> tuple[Session, ...]:
        """The sessions under which bodies are opened still."""
        return tuple(kept.session for kept in self._by_id.values())

    # --- sealing and opening

    def instance_of(self, peer: NodeId) -> str | None:
        """Return which run of the peer the sending session is with."""
        session = self.sending(peer)
        return None if session is None else session.remote_instance

    def open(self, header: Header, line: bytes, body: bytes) -> bytes | None:
        """Return what is in a sealed body; None where its session is not known.

        Raises: DecryptError.
        """
        kept = self._by_id.get(sealed_session_id(body))
        if kept is None:
            self._count("unknown_session")
            self._hint(header.source)
            return None
        session = kept.session
        if session.peer != header.source:
            raise DecryptError(f"sealed by {session.peer}, says {header.source}", reason="forged")
        plaintext = session.open(line, body)
        if not kept.confirmed:
            self._confirm(kept)
        return plaintext

    # --- links

    def add_link(self, session: Session) -> None:
        """Take the session a link's handshake made."""
        self._links[session.peer] = session
        self._by_id[session.id] = Kept(session, confirmed=True)
        self._openings.pop(session.peer, None)
        self._ready(session.peer, session.remote_instance)

    def remove_link(self, session: Session) -> None:
        """Seal no more under a link's session; what is on its way still opens."""
        if self._links.get(session.peer) is session:
            del self._links[session.peer]
        kept = self._by_id.get(session.id)
        if kept is not None:
            kept.until = self._now() + _LINGER

    # --- proving that both ends have the keys

    def on_proof(self, header: Header, body: bytes) -> None:
        """Answer a peer that shows that it has the keys of a session."""
        kept = self._by_id.get(sealed_session_id(body))
        if kept is not None and not header.re:
            self._prove(kept.session, True)

    # --- making sessions

    def ensure(self, peer: NodeId) -> None:
        """See to it that there will be a session with a peer; call again until there is."""
        opening = self._openings.get(peer)
        if opening is not None:
            wait = _RETRY[min(opening.tries, len(_RETRY)) - 1]
            if self._now() - opening.at < wait:
                return
        self._open_session(peer, opening.tries + 1 if opening else 1)

    def _open_session(self, peer: NodeId, tries: int) -> None:
        psks = self._psks()
        psk = psks[(tries - 1) % len(psks)]  # the other end may not have the new secret yet
        handshake = self._handshake(peer, psk, initiator=True)
        if handshake is None:
            return
        opening = _Opening(self._new_id(), handshake, psk, self._now(), tries)
        self._openings[peer] = opening
        try:
            message = handshake.write(self._instance.encode())
        except HandshakeError as error:
            self._count(error.reason)  # the peer's record has a key that none can have
            return
        # Keys of a link depend on no other way, nor those of a way on a link that may be dead.
        # Two tries each, since every other one may be with another secret.
        self._send(peer, "session_open", opening.id, message, (tries - 1) % 4 < 2)

    def _handshake(self, peer: NodeId, psk: bytes, *, initiator: bool) -> Handshake | None:
        known = self._directory.get(peer)
        if known is None:
            return None
        first, second = (self._own, peer) if initiator else (peer, self._own)
        return Handshake(
            KKPSK0,
            initiator=initiator,
            static=self._identity.channel_private,
            remote_static=known.record.channel_key_bytes(),
            psk=psk,
            prologue=b"clawmatrix session v1\0" + first.encode() + b"\0" + second.encode(),
        )

    def on_frame(self, header: Header, body: bytes, direct: bool = False) -> None:
        """Take an unsealed frame of an opening. Raises: RemoteProtocolError.

        ``direct`` says that it came over the link to who wrote it; the answer goes back there.
        """
        match header.type:
            case "session_open":
                self._on_open(header, body, direct)
            case "session_accept":
                self._on_accept(header, body)
            case "session_unknown":
                self._on_unknown(header.source)

    def _on_open(self, header: Header, body: bytes, direct: bool) -> None:
        peer = header.source
        self._door.check(peer, body)
        handshake, psk, instance = self._read_opening(peer, body)
        self._door.passed(peer, body)
        answer = handshake.write(self._instance.encode())
        session = self._session(handshake, peer, instance)
        self._table.make_room(peer)
        self._by_id[session.id] = Kept(session, False, self._now() + _UNCONFIRMED_LIFE, psk=psk)
        self._send(peer, "session_accept", header.id, answer, direct)

    def _read_opening(self, peer: NodeId, body: bytes) -> tuple[Handshake, bytes, str]:
        """Find out which secret an opening was made with. Raises: RemoteProtocolError."""
        forged = HandshakeError(f"{peer} is not known here", reason="session_stranger")
        for psk in self._psks():
            handshake = self._handshake(peer, psk, initiator=False)
            if handshake is None:
                break
            try:
                return handshake, psk, _instance(handshake.read(body))
            except HandshakeError as error:
                forged = error
        raise forged

    def _on_accept(self, header: Header, body: bytes) -> None:
        peer = header.source
        opening = self._openings.get(peer)
        if opening is None or opening.id != header.id:
            raise HandshakeError(f"{peer} accepts what was not opened", reason="session_stray")
        try:
            instance = _instance(opening.handshake.read(body))
        except RemoteProtocolError:
            # A forged answer spoils the handshake's state: begin anew at the next call.
            opening.id = ""
            raise
        del self._openings[peer]
        session = self._session(opening.handshake, peer, instance)
        self._table.make_room(peer)
        kept = self._by_id[session.id] = Kept(session, True, ours=True, psk=opening.psk)
        self._use(kept)

    def _on_unknown(self, peer: NodeId) -> None:
        # Anybody can write this hint, so nothing is dropped for it: a new session is made
        # beside the old one, not more often than now and then.
        current = self._current.get(peer)
        if current is None or current is not self.sending(peer):
            return
        if self._may_hint("taken", peer):
            self.ensure(peer)

    def _session(self, handshake: Handshake, peer: NodeId, instance: str) -> Session:
        send, receive = handshake.split()
        return Session(handshake.hash[:8], peer, send, receive, instance, self._now())

    def _confirm(self, kept: Kept) -> None:
        kept.confirmed = True
        kept.until = None
        self._use(kept)

    def _use(self, kept: Kept) -> None:
        """Seal under a session from now on, unless there is a better one."""
        session = kept.session
        before = self.sending(session.peer)
        self._table.prefer(kept)
        anew = before is None or before.remote_instance != session.remote_instance
        if anew or self._lost(session.peer):
            self._ready(session.peer, session.remote_instance)

    def _lost(self, peer: NodeId) -> bool:
        """Return whether one of both ends did not know a session of the other's lately."""
        return ("given", peer) in self._hinted or ("taken", peer) in self._hinted

    def _hint(self, peer: NodeId) -> None:
        if self._directory.get(peer) is not None and self._may_hint("given", peer):
            self._send(peer, "session_unknown", self._new_id(), b"", False)

    def _may_hint(self, way: str, peer: NodeId) -> bool:
        now = self._now()
        last = self._hinted.get((way, peer))
        if last is not None and now - last < _HINT_GAP:
            return False
        self._hinted[way, peer] = now
        return True

    # --- forgetting

    def forget(self, peer: NodeId, instance: str) -> None:
        """Drop the sessions with earlier runs of a peer."""
        for id_, kept in list(self._by_id.items()):
            session = kept.session
            if session.peer == peer and session.remote_instance != instance:
                self._table.drop(id_)

    def retire(self) -> None:
        """Drop the sessions made with secrets that are no longer in force, but for links'."""
        psks = self._psks()
        for id_, kept in list(self._by_id.items()):
            if kept.psk is not None and kept.psk not in psks:
                self._table.drop(id_)
        self._openings = {
            peer: opening for peer, opening in self._openings.items() if opening.psk in psks
        }

    def drop(self, peer: NodeId) -> None:
        """Drop all sessions with a peer, its link's too: nothing opens under them any more."""
        for id_, kept in list(self._by_id.items()):
            if kept.session.peer == peer:
                self._table.drop(id_)
        self._openings.pop(peer, None)

    def tick(self) -> None:
        """Replace what was used for long enough, forget what has had its time; each second."""
        now = self._now()
        for peer in {**self._links, **self._current}:
            self._look_after(peer, now)
        for id_, kept in list(self._by_id.items()):
            self._look_at(id_, kept, now)
        self._door.tick()
        self._openings = {
            peer: opening for peer, opening in self._openings.items() if now - opening.at < _FORGET
        }
        self._hinted = {key: at for key, at in self._hinted.items() if now - at < _FORGET}

    def _look_after(self, peer: NodeId, now: float) -> None:
        """See to it that both ends use the session in use, and that it is replaced in time."""
        session = self.sending(peer)
        assert session is not None
        if session.window.highest < 0 and session is self._current.get(peer):
            self._await_proof(session, now)
            return
        used = session.sealed > self._by_id[session.id].sealed
        if used and self._rekeying.is_due(session, now, first=self._own < peer):
            self.ensure(peer)

    def _await_proof(self, session: Session, now: float) -> None:
        """Ask for a body under a session that nothing has come under; give it up in the end."""
        if now - session.created <= _UNPROVED_LIFE:
            self._prove(session, False)
            return
        self._table.drop(session.id)
        linked = self._links.get(session.peer)
        for kept in self._by_id.values():
            one = kept.session
            if one.peer == session.peer and one is not linked and kept.confirmed:
                self._current[session.peer] = one

    def _look_at(self, id_: bytes, kept: Kept, now: float) -> None:
        """Let a session go that has had its time."""
        session, used = kept.session, kept.session.window.highest
        session.tick(now)
        if kept.confirmed and self._table.is_replaced(session):
            # The other end may seal under it for a while.
            kept.until = now + _LINGER if kept.until is None or used > kept.opened else kept.until
        kept.sealed, kept.opened = session.sealed, used
        if kept.until is not None and kept.until <= now:
            if not kept.confirmed:
                self._count("session_unproved")  # its opening may have been a replay
            self._table.drop(id_)
        elif self._rekeying.is_over(session, now):
            if session.peer in self._openings:
                self._count("session_worn_out")
            self._table.drop(id_)


def _instance(payload: bytes) -> str:
    if not 1 <= len(payload) <= 64 or not payload.isalnum():
        raise RemoteProtocolError("an opening without its instance", reason="bad_session")
    return payload.decode("ascii", "replace")
