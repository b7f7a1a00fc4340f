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

from typing import TYPE_CHECKING

from clawmatrix_core.base.errors import DecryptError
from clawmatrix_core.sessions.doorkeeper import RATE
from clawmatrix_core.sessions.hints import Hints
from clawmatrix_core.sessions.negotiation import Negotiation
from clawmatrix_core.sessions.rekeying import Rekeying
from clawmatrix_core.sessions.session import sealed_session_id
from clawmatrix_core.sessions.table import Kept, SessionTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core.base.local import Local
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.members.directory import Directory
    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.sessions.carrier import SessionCarrier
    from clawmatrix_core.sessions.session import Session
    from clawmatrix_core.wire.codec import Header
    from clawmatrix_core.wire.link import LinkSession

__all__ = ["OPENING_TYPES", "PROOF_TYPE", "Sessions"]

OPENING_TYPES = frozenset({"session_open", "session_accept", "session_unknown"})
PROOF_TYPE = "session_proof"
"""An empty sealed frame: its sender has the keys. Answered by one with ``re``."""

_UNCONFIRMED_LIFE = 30.0
"""Seconds for which a session that the other end opened waits for a body under it."""
_UNPROVED_LIFE = 20.0
"""Seconds for which an opener seals under a session, nothing having come back under it."""
_LINGER = 30.0
"""Seconds for which a session that was replaced, or whose link closed, still opens what was
on its way; counted from the last body that came under it."""


class Sessions:
    """Finds, makes and forgets sessions.

    Attributes:
        table: the sessions that there are.
        negotiation: those that are being opened.
        hints: when it was last said, either way, that a session is not known.
        own_key: this node's Ed25519 key, under which it hears itself.
    """

    def __init__(
        self,
        local: Local,
        *,
        identity: Identity,
        psks: Callable[[], Sequence[bytes]],
        directory: Directory,
        carrier: SessionCarrier,
        ready: Callable[[LinkSession], None],
        rekeying: Rekeying | None = None,
        openings: float = RATE,
    ) -> None:
        """Make the sessions of a node.

        Args:
            local: the node.
            identity: its keys.
            psks: returns the secrets of the mesh that are in force, the present one first.
            directory: where the keys of others are.
            carrier: sends openings and proofs.
            ready: called with a session under which bodies can be sealed for its peer anew.
            rekeying: for how long, and for how much, keys are good.
            openings: sessions a second that one node may open.
        """
        self._local = local
        self.own_key = identity.sign_public
        self._psks = psks
        self._directory = directory
        self._carrier = carrier
        self._ready = ready
        self._rekeying = rekeying or Rekeying()
        self.table = SessionTable()
        self.hints = Hints(local.now)
        self.negotiation = Negotiation(
            local,
            identity=identity,
            psks=psks,
            directory=directory,
            carrier=carrier,
            openings=openings,
        )
        self.sending, self.sending_on = self.table.sending, self.table.sending_on

    def __repr__(self) -> str:
        return (
            f"<Sessions of {self._local.node_id}: {self.table!r}, {len(self.negotiation)} opening>"
        )

    @property
    def all(self) -> tuple[Session, ...]:
        """The sessions under which bodies are opened still."""
        return tuple(kept.session for kept in self.table)

    # --- sealing and opening

    def instance_of(self, peer: NodeId) -> str | None:
        """Return the run of a node that frames reach, None while there is no session."""
        if peer == self._local.node_id:
            return self._local.instance
        session = self.sending(peer)
        return None if session is None else session.remote_instance

    def key_of(self, peer: NodeId) -> bytes | None:
        """Return the key of the session that frames for a node go under, None without one."""
        if peer == self._local.node_id:
            return self.own_key
        session = self.sending(peer)
        return None if session is None else session.peer_key

    def with_key(self, key: bytes) -> set[NodeId]:
        """Return the names of the peers that have a session under a key."""
        return {kept.session.peer for kept in self.table if kept.session.peer_key == key}

    def open(self, header: Header, line: bytes, body: bytes) -> tuple[bytes, bytes] | None:
        """Return what is in a sealed body, and the key of its session; None for an unknown one.

        Raises: DecryptError.
        """
        kept = self.table.get(sealed_session_id(body))
        if kept is None:
            self._local.count("unknown_session")
            self._hint(header.source)
            return None
        session = kept.session
        if session.peer != header.source:
            raise DecryptError(f"sealed by {session.peer}, says {header.source}", reason="forged")
        plaintext = session.open(line, body)
        if not kept.confirmed:
            kept.confirm()
            self._use(kept)
        return plaintext, session.peer_key

    # --- links

    def add_link(self, linked: LinkSession) -> None:
        """Take the session that a link's handshake made."""
        self.table.add_link(linked)
        self.negotiation.give_up(linked.peer)
        self._ready(linked)

    def remove_link(self, linked: LinkSession) -> None:
        """Seal no more under a link's session; what is on its way still opens."""
        self.table.remove_link(linked, until=self._local.now() + _LINGER)

    # --- proving that both ends have the keys

    def on_proof(self, header: Header, body: bytes) -> None:
        """Answer a peer that shows that it has the keys of a session."""
        kept = self.table.get(sealed_session_id(body))
        if kept is not None and not header.re:
            self._carrier.send_proof(kept.session, True)

    # --- making sessions

    def ensure(self, peer: NodeId) -> None:
        """See to it that there will be a session with a peer; call again until there is."""
        self.negotiation.begin(peer)

    def on_frame(self, header: Header, body: bytes, direct: bool = False) -> None:
        """Take an unsealed frame of an opening. Raises: RemoteProtocolError.

        ``direct`` says that it came over the link to its origin; the answer goes back there.
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
        made = self.negotiation.answer(peer, body)
        until = self._local.now() + _UNCONFIRMED_LIFE
        self.table.add(Kept(made.session, False, until, psk=made.psk))
        self._carrier.send_opening(peer, "session_accept", header.id, made.answer, direct)

    def _on_accept(self, header: Header, body: bytes) -> None:
        made = self.negotiation.complete(header.source, header.id, body)
        kept = Kept(made.session, True, ours=True, psk=made.psk)
        self.table.add(kept)
        self._use(kept)

    def _on_unknown(self, peer: NodeId) -> None:
        # Anybody can write this hint, so nothing is dropped for it: a new session is made
        # beside the old one, not more often than now and then.
        if self.table.seals_with_its_own(peer) and self.hints.admit("taken", peer):
            self.ensure(peer)

    def _use(self, kept: Kept) -> None:
        """Seal under a session from now on, unless there is a better one."""
        session = kept.session
        before = self.sending(session.peer)
        self.table.prefer(kept)
        self._directory.note_proof(session.peer, session.peer_key)
        anew = before is None or before.remote_instance != session.remote_instance
        if anew or self.hints.concern(session.peer):
            self._ready(session)

    def _hint(self, peer: NodeId) -> None:
        if self._directory.get(peer) is not None and self.hints.admit("given", peer):
            self._carrier.send_opening(peer, "session_unknown", self._local.new_id(), b"")

    # --- forgetting

    def forget(self, peer: NodeId, instance: str, key: bytes) -> None:
        """Drop the sessions with earlier runs of a peer, and with any run under another key.

        The word of a run is public: whoever takes the name of a node can copy it.
        """
        run = (instance, key)
        self.table.drop_where(
            lambda kept: (
                kept.session.peer == peer
                and (kept.session.remote_instance, kept.session.peer_key) != run
            )
        )
        self.negotiation.keep_key(peer, key)

    def keep_key(self, peer: NodeId, key: bytes | None) -> None:
        """Drop the sessions with a peer under any other key than this; None: all of them."""
        self.table.drop_where(
            lambda kept: kept.session.peer == peer and kept.session.peer_key != key
        )
        self.negotiation.keep_key(peer, key)

    def retire(self) -> None:
        """Drop the sessions made with secrets that are no longer in force, but for links'."""
        psks = self._psks()
        self.table.drop_where(lambda kept: kept.psk is not None and kept.psk not in psks)
        self.negotiation.retire(psks)

    def drop(self, peer: NodeId) -> None:
        """Drop all sessions with a peer, its link's too: nothing opens under them any more."""
        self.table.drop_where(lambda kept: kept.session.peer == peer)
        self.negotiation.give_up(peer)

    def tick(self) -> None:
        """Replace what was used for long enough, forget what has had its time; each second."""
        now = self._local.now()
        for peer in self.table.peers():
            self._look_after(peer, now)
        for kept in tuple(self.table):
            self._look_at(kept, now)
        self.negotiation.tick(now)
        self.hints.tick(now)

    def _look_after(self, peer: NodeId, now: float) -> None:
        """See to it that both ends use the session in use, and that it is replaced in time."""
        session = self.sending(peer)
        assert session is not None
        if session.window.highest < 0 and self.table.seals_with_its_own(peer):
            self._await_proof(session, now)
        elif self.table.is_used(session) and self._rekeying.is_due(
            session, now, first=self._local.node_id < peer
        ):
            self.ensure(peer)

    def _await_proof(self, session: Session, now: float) -> None:
        """Ask for a body under a session that nothing has come under; give it up in the end."""
        if now - session.created <= _UNPROVED_LIFE:
            self._carrier.send_proof(session, False)
        else:
            self.table.drop(session)
            self.table.fall_back(session.peer)

    def _look_at(self, kept: Kept, now: float) -> None:
        """Let a session go that has had its time."""
        session, used = kept.session, kept.session.window.highest
        session.tick(now)
        if kept.confirmed and self.table.is_replaced(session):
            # The other end may seal under it for a while.
            kept.until = now + _LINGER if kept.until is None or used > kept.opened else kept.until
        kept.note_use()
        if kept.until is not None and kept.until <= now:
            if not kept.confirmed:
                self._local.count("session_unproved")  # its opening may have been a replay
            self.table.drop(session)
        elif self._rekeying.is_over(session, now):
            if session.peer in self.negotiation:
                self._local.count("session_worn_out")
            self.table.drop(session)
