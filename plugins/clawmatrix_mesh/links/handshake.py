"""How two nodes prove themselves to each other when a connection opens.

The Noise messages (see ``channel``); then one sealed ``hello`` frame each way, in which
each end shows its signed record and signs the handshake with the key of that record. The
dialling end says hello first; that of the answering end is its word that the link is up.
``docs/protocol.md`` has every byte.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from clawmatrix_core import ConnectionLost, Header, Lane, NodeRecord, RemoteProtocolError
from clawmatrix_core.spi import HandshakeError, SignedRecord, read_frame
from clawmatrix_mesh.links.channel import ANYBODY, answer_channel, dial_channel
from clawmatrix_mesh.links.close_codes import lost_early

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import Connection, NodeId
    from clawmatrix_core.spi import Session
    from clawmatrix_mesh.links.channel import Channel, Credentials

__all__ = [
    "HANDSHAKE_LIMIT",
    "Proved",
    "make_hello",
    "prove",
    "proving",
    "receive_hello",
    "receive_payload",
    "seal_frame",
]

HANDSHAKE_LIMIT = 10.0
"""Seconds the other end has to prove itself."""

_LABEL = b"clawmatrix hello v1\0"


class Proved(msgspec.Struct, frozen=True):
    """The other end, proved.

    ``spare`` says that the other end has a living link to this node already, and only
    wanted to know who is here: the connection is not to be used. ``said_at`` is the other
    end's wall clock as it said hello, in seconds since 1970.
    """

    record: NodeRecord
    signed: SignedRecord
    session: Session
    protocol: int
    peer_protocol: int
    spare: bool = False
    said_at: float = 0.0


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
        if dialled:
            channel = await dial_channel(connection, own)
            await connection.send(make_hello(own, channel))
            proved = await receive_hello(channel)
        else:
            channel = await answer_channel(connection, own)
            proved = await receive_hello(channel)
            await connection.send(make_hello(own, channel))
        connection.allow(None)
        return proved


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
    return seal_frame(own, channel, "hello", ANYBODY, payload)


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
    return channel.session.seal_frame(header, b"j" + msgspec.json.encode(payload))


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
    session.peer_key = record.sign_key_bytes()
    spare = payload.get("spare") is True
    said_at = header.timestamp / 1000
    return Proved(record, signed, session, channel.protocol, channel.offered[1], spare, said_at)


async def receive_payload(channel: Channel, type_: str, sender: NodeId) -> dict[str, Any]:
    """Return what a frame behind the hellos says. Raises as ``receive_hello``."""
    header, payload = await _receive(channel, type_)
    if header.source != sender:
        raise HandshakeError(f"a {type_} by another node", reason="bad_hello")
    return payload


async def _receive(channel: Channel, type_: str) -> tuple[Header, dict[str, Any]]:
    header, wire = read_frame(await channel.connection.receive())
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
    if not record.has_signed(_proof(channel.hash, dialled=not channel.dialled), proof):
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
