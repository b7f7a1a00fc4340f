"""How two nodes prove themselves to each other when a connection opens.

Three Noise messages (XXpsk3, empty payloads), the first two behind a line of JSON that says
which protocol versions each end speaks; then one sealed ``hello`` frame each way, in which
each end shows its signed record and signs the handshake with the key of that record. The
dialling end says hello first; that of the answering end is its word that the link is up.
A node that joins by an invitation goes the same way, with the invitation's key in place of
the secret and under a prologue of its own, so that neither can be taken for the other.
``docs/protocol.md`` has every byte.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import msgspec

from clawmatrix_core.directory import NodeRecord, SignedRecord
from clawmatrix_core.errors import (
    ConnectionLost,
    HandshakeError,
    LocalProtocolError,
    RemoteProtocolError,
)
from clawmatrix_core.frames import Header, Lane, NodeId, decode_header, encode_header, join, split
from clawmatrix_core.identity import verify
from clawmatrix_core.noise import XXPSK3, Handshake
from clawmatrix_core.redaction import redact
from clawmatrix_core.session import Session
from clawmatrix_mesh.limits import HELLO_LIMIT
from clawmatrix_mesh.preamble import PROTOCOL, Preamble, agree, cut
from clawmatrix_mesh.refusing import lost_early

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clawmatrix_core.identity import Identity
    from clawmatrix_core.transport import Connection

__all__ = [
    "HANDSHAKE_LIMIT",
    "PROTOCOL",
    "Channel",
    "Credentials",
    "Proved",
    "make_hello",
    "open_channel",
    "prove",
    "proving",
    "receive_hello",
    "receive_payload",
    "seal_frame",
]

HANDSHAKE_LIMIT = 10.0
"""Seconds the other end has to prove itself."""

_PROLOGUE = b"clawmatrix link v1\0"
_INVITE_PROLOGUE = b"clawmatrix invitation v1\0"
_LABEL = b"clawmatrix hello v1\0"
_ANYBODY = NodeId("*")
"""Who a hello is for: whoever is at the other end."""


@attrs.frozen
class Credentials:
    """What this end proves itself with.

    ``psks`` gives the secrets that are in force: this end dials with the first, unless told
    otherwise, and takes any of them when it answers.
    """

    node_id: NodeId
    identity: Identity
    psks: Callable[[], Sequence[bytes]] = attrs.field(repr=False)
    instance: str
    record: Callable[[], SignedRecord]
    now: Callable[[], float]
    wall: Callable[[], float]
    protocol: tuple[int, int] = PROTOCOL


@attrs.frozen
class Channel:
    """A connection after the Noise messages: its keys are agreed, its other end has no name.

    Attributes:
        connection: what it runs over.
        dialled: whether this node dialled.
        protocol: the version both ends use.
        offered: the versions that the other end says it speaks; its hello confirms them.
        remote_key: the other end's X25519 key, which it has proved to hold.
        psk: which of the secrets both ends have.
        hash: the handshake's hash, the same at both ends and nowhere else.
        session: the keys of the link. Who is at the other end is put in by its hello.
        invite: by which invitation the dialling end came, in place of the secret.
    """

    connection: Connection
    dialled: bool
    protocol: int
    offered: tuple[int, int]
    remote_key: bytes
    psk: bytes = attrs.field(repr=False)
    hash: bytes
    session: Session = attrs.field(repr=False)
    invite: str | None = None


Invited = Callable[[str, str], bytes]
"""Gives the key of an invitation, by its id and who comes with it. Raises: HandshakeError."""


@attrs.frozen
class _Agreed:
    """What the Noise messages give: ``Channel`` has the words."""

    handshake: Handshake
    protocol: int
    offered: tuple[int, int]
    psk: bytes = attrs.field(repr=False)
    invite: str | None = None


@attrs.frozen
class Proved:
    """The other end, proved.

    ``spare`` says that the other end has a living link to this node already, and only
    wanted to know who is here: the connection is not to be used.
    """

    record: NodeRecord
    signed: SignedRecord
    session: Session
    protocol: int
    peer_protocol: int
    spare: bool = False


@contextmanager
def proving(remote: str, limit: float, *, dialled: bool) -> Iterator[None]:
    """Give a handshake its time, and name what goes wrong in it. Raises: HandshakeError."""
    try:
        with anyio.fail_after(limit):
            yield
    except ConnectionLost as lost:
        raise lost_early(remote, lost, dialled=dialled) from None
    except TimeoutError:
        raise HandshakeError(
            f"{remote} did not prove itself within {limit:g} s", reason="silent"
        ) from None
    except HandshakeError:
        raise
    except RemoteProtocolError as error:
        raise HandshakeError(str(error), reason=error.reason) from None


async def prove(
    connection: Connection, own: Credentials, *, dialled: bool, limit: float = HANDSHAKE_LIMIT
) -> Proved:
    """Run the whole handshake at either end; return who is at the other.

    For programs that hold one link. A node has its say between the two hellos.
    Raises: HandshakeError. The caller closes the connection.
    """
    with proving(connection.remote, limit, dialled=dialled):
        channel = await open_channel(connection, own, dialled=dialled)
        if dialled:
            await connection.send(make_hello(own, channel))
            return await receive_hello(channel)
        proved = await receive_hello(channel)
        await connection.send(make_hello(own, channel))
        return proved


# --- the Noise messages


async def open_channel(
    connection: Connection,
    own: Credentials,
    *,
    dialled: bool,
    psk: bytes | None = None,
    expect: bytes | None = None,
    invite: str | None = None,
    invited: Invited | None = None,
) -> Channel:
    """Exchange the Noise messages. Raises: HandshakeError, ConnectionLost.

    Args:
        psk: what to dial with, if not the first of those in force.
        expect: the X25519 key of the only node that will do; another one that answers does
            not learn who dialled.
        invite: the invitation that this end comes with; ``psk`` is its key.
        invited: gives the keys of this node's own invitations; without it there are none.
    """
    connection.limit(HELLO_LIMIT)
    if dialled:
        agreed = await _dialling(connection, own, psk or own.psks()[0], expect, invite)
    else:
        agreed = await _answering(connection, own, invited or _uninvited)
    hash_, keys = agreed.handshake.hash, agreed.handshake.split()
    return Channel(
        connection,
        dialled,
        agreed.protocol,
        agreed.offered,
        agreed.handshake.remote_static,
        agreed.psk,
        hash_,
        Session(hash_[:8], _ANYBODY, *keys, "", own.now()),
        agreed.invite,
    )


async def _dialling(
    connection: Connection,
    own: Credentials,
    psk: bytes,
    expect: bytes | None,
    invite: str | None,
) -> _Agreed:
    preamble = Preamble(own.protocol, invite=invite).encode()
    handshake = _handshake(own, psk, preamble, initiator=True, invite=invite)
    await connection.send(preamble + b"\n" + handshake.write())
    line, message = cut(await connection.receive())
    answer = Preamble.read(line)
    protocol = agree(own.protocol, answer.versions, connection.remote)
    if answer.error is not None:
        raise HandshakeError(f"{connection.remote} refused: {answer.error}", reason="refused")
    if answer.use != protocol:
        raise HandshakeError(
            f"{connection.remote} answers like no ClawMatrix node", reason="bad_preamble"
        )
    handshake.read(message)
    if expect is not None and handshake.remote_static != expect:
        raise HandshakeError(f"another node is at {redact(connection.remote)}", reason="wrong_node")
    await connection.send(handshake.write())
    return _Agreed(handshake, protocol, answer.versions, psk, invite)


async def _answering(connection: Connection, own: Credentials, invited: Invited) -> _Agreed:
    line, message = cut(await connection.receive())
    asked = Preamble.read(line)
    try:
        protocol = agree(own.protocol, asked.versions, connection.remote)
    except HandshakeError:
        await connection.send(Preamble(own.protocol, error="version").encode() + b"\n")
        raise
    psks = own.psks() if asked.invite is None else [invited(asked.invite, connection.remote)]
    handshake = _handshake(own, psks[0], line, initiator=False, invite=asked.invite)
    handshake.read(message)
    answer = Preamble(own.protocol, use=protocol).encode()
    await connection.send(answer + b"\n" + handshake.write())
    last = await connection.receive()
    for psk in psks:
        proved = handshake.with_psk(psk)
        try:
            proved.read(last)
        except HandshakeError:
            if not _is_named(proved):
                raise
        else:
            return _Agreed(proved, protocol, asked.versions, psk, asked.invite)
    if asked.invite is not None:
        raise HandshakeError("an invitation without its secret", reason="invite_wrong")
    raise HandshakeError(
        f"{connection.remote} does not have this mesh's secret", reason="wrong_secret"
    )


def _uninvited(_: str, remote: str) -> bytes:
    raise HandshakeError(
        f"{remote} comes with an invitation: there are none", reason="invite_unknown"
    )


def _handshake(
    own: Credentials, psk: bytes, preamble: bytes, *, initiator: bool, invite: str | None
) -> Handshake:
    return Handshake(
        XXPSK3,
        initiator=initiator,
        static=own.identity.channel_private,
        psk=psk,
        prologue=(_PROLOGUE if invite is None else _INVITE_PROLOGUE) + preamble,
    )


def _is_named(handshake: Handshake) -> bool:
    # The key in the last message opened, and only the secret is mixed in behind it.
    try:
        return bool(handshake.remote_static)
    except LocalProtocolError:
        return False


# --- the sealed hello


def make_hello(own: Credentials, channel: Channel, *, spare: bool = False) -> bytes:
    """Return this end's hello: the first message sealed on a channel."""
    proof = own.identity.sign(_proof(channel.hash, dialled=channel.dialled))
    payload: dict[str, object] = {
        **own.record().to_wire(),
        "proof": base64.b64encode(proof).decode(),
        "versions": own.protocol,
    }
    if spare:
        payload["spare"] = True
    return seal_frame(own, channel, "hello", _ANYBODY, payload)


def seal_frame(
    own: Credentials, channel: Channel, type_: str, to: NodeId, payload: dict[str, object]
) -> bytes:
    """Return a frame for a channel's other end, sealed under its session."""
    header = Header(
        type=type_,
        id="",
        source=own.node_id,
        to=to,
        timestamp=int(own.wall() * 1000),
        body="sealed",
        lane=Lane.CONTROL.value,
    )
    line = encode_header(header)
    return join(line, channel.session.seal(line, b"j" + msgspec.json.encode(payload)))


async def receive_hello(channel: Channel) -> Proved:
    """Wait for the other end's hello, and check all that it claims.

    Raises: HandshakeError, RemoteProtocolError, ConnectionLost.
    """
    header, payload = await _receive(channel, "hello")
    signed = SignedRecord.from_wire(payload)
    record = _check_hello(payload, signed, channel)
    if header.source != record.node_id:
        raise HandshakeError("a hello from one name with another's record", reason="bad_hello")
    session = channel.session
    session.peer, session.remote_instance = record.node_id, record.instance
    spare = payload.get("spare") is True
    return Proved(record, signed, session, channel.protocol, channel.offered[1], spare)


async def receive_payload(channel: Channel, type_: str, sender: NodeId) -> dict[str, Any]:
    """Return what a frame behind the hellos says. Raises as ``receive_hello``."""
    header, payload = await _receive(channel, type_)
    if header.source != sender:
        raise HandshakeError(f"a {type_} by another node", reason="bad_hello")
    return payload


async def _receive(channel: Channel, type_: str) -> tuple[Header, dict[str, Any]]:
    wire = split(await channel.connection.receive())
    header = decode_header(wire.line)
    if header.type != type_ or header.body != "sealed":
        raise HandshakeError(f"a {header.type} frame in place of a {type_}", reason="bad_hello")
    return header, _json(channel.session.open(wire.line, wire.body))


def _check_hello(payload: dict[str, Any], signed: SignedRecord, channel: Channel) -> NodeRecord:
    record = signed.read()
    key = record.sign_key_bytes()
    if not signed.is_signed_by(key):
        raise HandshakeError("a hello with a forged record", reason="forged_record")
    if record.channel_key_bytes() != channel.remote_key:
        raise HandshakeError("a hello with the record of another key", reason="bad_hello")
    try:
        proof = base64.b64decode(payload.get("proof", ""), validate=True)
    except (binascii.Error, ValueError, TypeError):
        proof = b""
    if not verify(key, proof, _proof(channel.hash, dialled=not channel.dialled)):
        raise HandshakeError("a hello without proof of its key", reason="bad_hello")
    if payload.get("versions") != list(channel.offered):
        raise HandshakeError("the versions were altered on the way", reason="downgrade")
    return record


def _proof(hash_: bytes, *, dialled: bool) -> bytes:
    return _LABEL + (b"dialled\0" if dialled else b"answered\0") + hash_


def _json(plaintext: bytes) -> dict[str, Any]:
    try:
        if plaintext[:1] == b"j":
            return msgspec.json.decode(plaintext[1:], type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    raise HandshakeError("a hello or welcome that is not JSON", reason="bad_hello")
