"""How two nodes prove themselves to each other when a connection opens.

Three Noise messages (XXpsk3, empty payloads), the first two behind a line of JSON that says
which protocol versions each end speaks; then one sealed ``hello`` frame each way, in which
each end shows its signed record and signs the handshake with the key of that record.
``docs/protocol.md`` has every byte.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import msgspec

from clawmatrix_core.directory import NodeRecord, SignedRecord
from clawmatrix_core.errors import ConnectionLost, HandshakeError, RemoteProtocolError
from clawmatrix_core.frames import Header, NodeId, decode_header, encode_header, join, split
from clawmatrix_core.identity import verify
from clawmatrix_core.noise import XXPSK3, Handshake
from clawmatrix_core.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.identity import Identity
    from clawmatrix_core.transport import Connection

__all__ = ["HANDSHAKE_LIMIT", "PROTOCOL", "Credentials", "Proved", "prove"]

PROTOCOL = (1, 1)
"""The lowest and the highest protocol version this software speaks."""
HANDSHAKE_LIMIT = 10.0
"""Seconds the other end has to prove itself."""

_LABEL = b"clawmatrix hello v1\0"


@attrs.frozen
class Credentials:
    """What this end proves itself with."""

    node_id: NodeId
    identity: Identity
    psk: bytes = attrs.field(repr=False)
    instance: str
    record: Callable[[], SignedRecord]
    now: Callable[[], float]
    wall: Callable[[], float]
    protocol: tuple[int, int] = PROTOCOL


@attrs.frozen
class Proved:
    """The other end, proved."""

    record: NodeRecord
    signed: SignedRecord
    session: Session
    protocol: int
    peer_protocol: int


async def prove(
    connection: Connection, own: Credentials, *, dialled: bool, limit: float = HANDSHAKE_LIMIT
) -> Proved:
    """Run the handshake at either end; return who is at the other.

    Raises: HandshakeError, ConnectionLost. The caller closes the connection.
    """
    try:
        with anyio.fail_after(limit):
            run = _dialling if dialled else _answering
            handshake, protocol, offered = await run(connection, own)
            return await _hello(connection, own, handshake, protocol, offered, dialled=dialled)
    except TimeoutError:
        raise HandshakeError(
            f"{connection.remote} did not prove itself within {limit:g} s", reason="silent"
        ) from None
    except HandshakeError:
        raise
    except RemoteProtocolError as error:
        raise HandshakeError(str(error), reason=error.reason) from None


# --- the Noise messages


async def _dialling(
    connection: Connection, own: Credentials
) -> tuple[Handshake, int, tuple[int, int]]:
    preamble = msgspec.json.encode({"clawmatrix": own.protocol})
    handshake = _handshake(own, preamble, initiator=True)
    await connection.send(preamble + b"\n" + handshake.write())
    line, message = _cut(await connection.receive())
    answer = _preamble(line)
    offered = _versions(answer)
    if "error" in answer:
        _agree(own.protocol, offered, connection.remote)
        raise HandshakeError(f"{connection.remote} refused: {answer['error']}", reason="refused")
    protocol = _agree(own.protocol, offered, connection.remote)
    if answer.get("use") != protocol:
        raise HandshakeError("the answer names another version than agreed", reason="downgrade")
    handshake.read(message)
    await connection.send(handshake.write())
    return handshake, protocol, offered


async def _answering(
    connection: Connection, own: Credentials
) -> tuple[Handshake, int, tuple[int, int]]:
    line, message = _cut(await connection.receive())
    offered = _versions(_preamble(line))
    try:
        protocol = _agree(own.protocol, offered, connection.remote)
    except HandshakeError:
        refusal = msgspec.json.encode({"clawmatrix": own.protocol, "error": "version"})
        await connection.send(refusal + b"\n")
        raise
    handshake = _handshake(own, line, initiator=False)
    handshake.read(message)
    preamble = msgspec.json.encode({"clawmatrix": own.protocol, "use": protocol})
    await connection.send(preamble + b"\n" + handshake.write())
    try:
        handshake.read(await connection.receive())
    except HandshakeError:
        raise HandshakeError(
            f"{connection.remote} does not have this mesh's secret", reason="wrong_secret"
        ) from None
    return handshake, protocol, offered


def _handshake(own: Credentials, preamble: bytes, *, initiator: bool) -> Handshake:
    return Handshake(
        XXPSK3,
        initiator=initiator,
        static=own.identity.channel_private,
        psk=own.psk,
        prologue=b"clawmatrix link v1\0" + preamble,
    )


def _cut(message: bytes) -> tuple[bytes, bytes]:
    line, newline, rest = message[:4096].partition(b"\n")
    if not newline:
        raise HandshakeError("no preamble: not a ClawMatrix node", reason="bad_preamble")
    return line, message[len(line) + 1 :]


def _preamble(line: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise HandshakeError("a preamble that is not JSON", reason="bad_preamble") from None


def _versions(preamble: dict[str, Any]) -> tuple[int, int]:
    match preamble.get("clawmatrix"):
        case [int(low), int(high)] if 0 <= low <= high:
            return (low, high)
    raise HandshakeError("a preamble without protocol versions", reason="bad_preamble")


def _agree(own: tuple[int, int], offered: tuple[int, int], remote: str) -> int:
    """Return the highest version both speak. Raises: HandshakeError."""
    version = min(own[1], offered[1])
    if version < max(own[0], offered[0]):
        older = "older" if offered[1] < own[0] else "newer"
        raise HandshakeError(
            f"{remote} speaks only {older} versions of the protocol ({_span(offered)}; this node"
            f" speaks {_span(own)}): update the older one",
            reason="version",
        )
    return version


def _span(versions: tuple[int, int]) -> str:
    low, high = versions
    return f"{low}" if low == high else f"{low} to {high}"


# --- the sealed hello


async def _hello(
    connection: Connection,
    own: Credentials,
    handshake: Handshake,
    protocol: int,
    offered: tuple[int, int],
    *,
    dialled: bool,
) -> Proved:
    if handshake.remote_static == own.identity.channel_public:
        raise HandshakeError("the address is this node's own", reason="self")
    send_key, receive_key = handshake.split()
    session = Session(handshake.hash[:8], NodeId(""), send_key, receive_key, "", own.now())
    await connection.send(_make_hello(own, session, handshake.hash, dialled=dialled))
    try:
        message = await connection.receive()
    except ConnectionLost as lost:
        raise _closed_early(connection.remote, lost) from None
    wire = split(message)
    header = decode_header(wire.line)
    if header.type != "hello" or header.body != "sealed":
        raise HandshakeError(f"a {header.type} frame in place of a hello", reason="unsealed")
    payload = _json(session.open(wire.line, wire.body))
    record, signed = _check_hello(payload, handshake, offered, dialled=dialled)
    if header.source != record.node_id:
        raise HandshakeError("a hello from one name with another's record", reason="bad_hello")
    session.peer, session.remote_instance = record.node_id, record.instance
    return Proved(record, signed, session, protocol, offered[1])


def _make_hello(own: Credentials, session: Session, hash_: bytes, *, dialled: bool) -> bytes:
    payload = {
        **own.record().to_wire(),
        "proof": base64.b64encode(own.identity.sign(_proof(hash_, dialled=dialled))).decode(),
        "versions": own.protocol,
    }
    header = Header(
        type="hello",
        id="",
        source=own.node_id,
        to=NodeId(""),
        timestamp=int(own.wall() * 1000),
        body="sealed",
    )
    line = encode_header(header)
    return join(line, session.seal(line, b"j" + msgspec.json.encode(payload)))


def _check_hello(
    payload: dict[str, Any], handshake: Handshake, offered: tuple[int, int], *, dialled: bool
) -> tuple[NodeRecord, SignedRecord]:
    signed = SignedRecord.from_wire(payload)
    record = signed.read()
    key = record.sign_key_bytes()
    if not signed.is_signed_by(key):
        raise HandshakeError("a hello with a forged record", reason="forged_record")
    if record.channel_key_bytes() != handshake.remote_static:
        raise HandshakeError("a hello with the record of another key", reason="bad_hello")
    try:
        proof = base64.b64decode(payload.get("proof", ""), validate=True)
    except (binascii.Error, ValueError, TypeError):
        proof = b""
    if not verify(key, proof, _proof(handshake.hash, dialled=not dialled)):
        raise HandshakeError("a hello without proof of its key", reason="bad_hello")
    if payload.get("versions") != list(offered):
        raise HandshakeError("the versions were altered on the way", reason="downgrade")
    return record, signed


def _proof(hash_: bytes, *, dialled: bool) -> bytes:
    return _LABEL + (b"dialled\0" if dialled else b"answered\0") + hash_


def _json(plaintext: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(plaintext[1:], type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise HandshakeError("a hello that is not JSON", reason="bad_hello") from None


def _closed_early(remote: str, lost: ConnectionLost) -> HandshakeError:
    if lost.code in (None, 1000, 1006):
        hint = "; the cluster secrets may differ"
    else:
        hint = ""
    return HandshakeError(f"{remote} ended the handshake: {lost}{hint}", reason="refused")
