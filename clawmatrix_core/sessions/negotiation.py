"""Opening sessions: the two messages of the Noise pattern KKpsk0, over whatever relays there are.

The keys of both ends come from their signed records. A record may hold the X25519 key of another
node, so each end also says which Ed25519 key it signs with, inside the handshake. Nothing here
keeps a session; each handshake that succeeds gives one.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core.base.errors import HandshakeError, RemoteProtocolError
from clawmatrix_core.members.record import SESSION_KEYS
from clawmatrix_core.sessions.doorkeeper import RATE, Doorkeeper
from clawmatrix_core.sessions.noise import KKPSK0, Handshake
from clawmatrix_core.sessions.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core.base.local import Local
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.members.directory import Directory
    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.members.record import NodeRecord
    from clawmatrix_core.sessions.carrier import SessionCarrier

__all__ = ["Negotiated", "Negotiation"]

_RETRY = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between one try at opening a session and the next: short ones first, since the other
end may only be waiting for this node's record."""
_FORGET = 60.0
"""Seconds for which a try at opening is remembered."""


@attrs.define
class _Opening:
    """A session that this node is opening; ``proves`` says that the peer has to say its key."""

    id: str
    handshake: Handshake
    peer_key: bytes
    psk: bytes = attrs.field(repr=False)
    at: float
    tries: int
    proves: bool


@attrs.frozen
class Negotiated:
    """A session that a handshake has given.

    Attributes:
        session: the session.
        psk: the secret of the mesh that it was made with.
        answer: the message that the other end waits for; empty where this node opened it.
    """

    session: Session
    psk: bytes = attrs.field(repr=False)
    answer: bytes = b""


class Negotiation:
    """The handshakes of one node.

    Attributes:
        door: how many sessions each other node may open.
    """

    def __init__(
        self,
        local: Local,
        *,
        identity: Identity,
        psks: Callable[[], Sequence[bytes]],
        directory: Directory,
        carrier: SessionCarrier,
        openings: float = RATE,
    ) -> None:
        """Make one; ``openings`` says how many sessions a second one node may open."""
        self._local = local
        self._identity = identity
        self._psks = psks
        self._directory = directory
        self._carrier = carrier
        self.door = Doorkeeper(local.now, openings)
        self._openings: dict[NodeId, _Opening] = {}

    def __len__(self) -> int:
        return len(self._openings)

    def __contains__(self, peer: NodeId) -> bool:
        return peer in self._openings

    # --- opening

    def begin(self, peer: NodeId) -> None:
        """Open a session with a peer, or try again where it is time to."""
        opening = self._openings.get(peer)
        if opening is not None:
            wait = _RETRY[min(opening.tries, len(_RETRY)) - 1]
            if self._local.now() - opening.at < wait:
                return
        self._open(peer, opening.tries + 1 if opening else 1)

    def _open(self, peer: NodeId, tries: int) -> None:
        psks = self._psks()
        psk = psks[(tries - 1) % len(psks)]  # the other end may not have the new secret yet
        record = self._directory.record_for_session(peer)
        if record is None:
            return
        handshake, key = self._handshake(record, psk, initiator=True), record.sign_key_bytes()
        id_, now, proves = self._local.new_id(), self._local.now(), SESSION_KEYS in record.features
        self._openings[peer] = opening = _Opening(id_, handshake, key, psk, now, tries, proves)
        try:
            message = handshake.write(self._payload(proves))
        except HandshakeError as error:
            self._local.count(error.reason)  # the peer's record has a key that none can have
            return
        # Keys of a link depend on no other way, nor those of a way on a link that may be dead.
        # Two tries each, since every other one may be with another secret.
        direct = (tries - 1) % 4 < 2
        self._carrier.send_opening(peer, "session_open", opening.id, message, direct)

    def _handshake(self, record: NodeRecord, psk: bytes, *, initiator: bool) -> Handshake:
        own, peer = self._local.node_id, record.node_id
        first, second = (own, peer) if initiator else (peer, own)
        return Handshake(
            KKPSK0,
            initiator=initiator,
            static=self._identity.channel_private,
            remote_static=record.channel_key_bytes(),
            psk=psk,
            prologue=b"clawmatrix session v1\0" + first.encode() + b"\0" + second.encode(),
        )

    # --- answering

    def answer(self, peer: NodeId, body: bytes) -> Negotiated:
        """Take a ``session_open``. Raises: RemoteProtocolError."""
        self.door.check(peer, body)
        record = self._directory.record_for_session(peer)
        if record is None:
            raise HandshakeError(f"{peer} is not known here", reason="session_stranger")
        handshake, psk, payload = self._read_opening(record, body)
        instance, said = _read_payload(payload)
        key = record.sign_key_bytes()
        if said is not None or SESSION_KEYS in record.features:
            _check_key(peer, said, key)
        self.door.passed(peer, body)
        answer = handshake.write(self._payload(said is not None))
        return Negotiated(self._session(handshake, peer, key, instance), psk, answer)

    def _read_opening(self, record: NodeRecord, body: bytes) -> tuple[Handshake, bytes, bytes]:
        """Find out which secret an opening was made with. Raises: RemoteProtocolError."""
        forged = HandshakeError("there is no secret", reason="session_stranger")
        for psk in self._psks():
            handshake = self._handshake(record, psk, initiator=False)
            try:
                return handshake, psk, handshake.read(body)
            except HandshakeError as error:
                forged = error
        raise forged

    def complete(self, peer: NodeId, id_: str, body: bytes) -> Negotiated:
        """Take a ``session_accept``. Raises: RemoteProtocolError."""
        opening = self._openings.get(peer)
        if opening is None or opening.id != id_:
            raise HandshakeError(f"{peer} accepts what was not opened", reason="session_stray")
        try:
            instance, said = _read_payload(opening.handshake.read(body))
            if opening.proves:
                _check_key(peer, said, opening.peer_key)
        except RemoteProtocolError:
            # A forged answer spoils the handshake's state: begin anew at the next call.
            opening.id = ""
            raise
        del self._openings[peer]
        session = self._session(opening.handshake, peer, opening.peer_key, instance)
        return Negotiated(session, opening.psk)

    def _payload(self, with_key: bool) -> bytes:
        instance = self._local.instance.encode()
        if not with_key:
            return instance
        return instance + b"." + base64.b64encode(self._identity.sign_public)

    def _session(self, handshake: Handshake, peer: NodeId, key: bytes, instance: str) -> Session:
        id_, now = handshake.hash[:8], self._local.now()
        return Session(id_, peer, *handshake.split(), instance, now, key)

    # --- forgetting

    def give_up(self, peer: NodeId) -> None:
        """Forget that a session with a peer is being opened."""
        self._openings.pop(peer, None)

    def keep_key(self, peer: NodeId, key: bytes | None) -> None:
        """Give up the opening with a peer unless it is with this key."""
        opening = self._openings.get(peer)
        if opening is not None and opening.peer_key != key:
            self.give_up(peer)

    def retire(self, psks: Sequence[bytes]) -> None:
        """Give up the openings made with other secrets than these."""
        self._openings = {
            peer: opening for peer, opening in self._openings.items() if opening.psk in psks
        }

    def tick(self, now: float) -> None:
        """Forget what had no answer, and peers that have opened nothing for long."""
        self.door.tick()
        self._openings = {
            peer: opening for peer, opening in self._openings.items() if now - opening.at < _FORGET
        }


def _read_payload(payload: bytes) -> tuple[str, bytes | None]:
    """Return the word of a run, and the Ed25519 key that is said with it, if there is one."""
    instance, dot, text = payload.partition(b".")
    if not 1 <= len(instance) <= 64 or not instance.isalnum():
        raise RemoteProtocolError("an opening without its instance", reason="bad_session")
    try:
        key = base64.b64decode(text, validate=True) if dot else None
    except ValueError:
        raise RemoteProtocolError("an opening with a wrong key", reason="bad_session") from None
    return instance.decode("ascii", "replace"), key


def _check_key(peer: NodeId, said: bytes | None, key: bytes) -> None:
    """Check that a peer signs with the key of its record. Raises: HandshakeError."""
    if said != key:
        raise HandshakeError(f"the record of {peer} has another node's key", reason="session_key")
