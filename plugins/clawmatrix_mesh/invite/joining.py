"""The joining end of an invitation: it dials the node that the token names, and no other."""

from __future__ import annotations

import base64
import os
import time
from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core import DialError, NamedKeys, NodeRecord, register_secret
from clawmatrix_core.spi import SECRET_LENGTH, HandshakeError, SignedRecord
from clawmatrix_mesh.invite.inviting import receive_welcome
from clawmatrix_mesh.links.channel import Credentials, dial_channel
from clawmatrix_mesh.links.close_codes import close_code
from clawmatrix_mesh.links.handshake import HANDSHAKE_LIMIT, make_hello, proving, receive_hello

if TYPE_CHECKING:
    from clawmatrix_core import Connection, NodeId, Transport
    from clawmatrix_core.spi import Identity
    from clawmatrix_mesh.invite.token import Token

__all__ = ["Welcomed", "join_mesh"]

_REFERENCES = ("env:", "file:")
"""What a configuration takes for the place of a secret. Nobody else says which file is read."""
_TRY_ELSEWHERE = (
    "wrong_node",
    "invite_unknown",
    "handshake_lost",
    "silent",
    "bad_preamble",
    "refused",
)
"""What whoever has come to an address in place of the inviting node may say."""


@attrs.frozen
class Welcomed:
    """What whoever joined was told.

    Attributes:
        secret: the mesh's.
        sign_public: the inviting node's Ed25519 key, to be pinned under its name.
        revokers: whose revocations are in force at the inviting node.
    """

    secret: str = attrs.field(repr=False)
    sign_public: bytes
    revokers: NamedKeys = attrs.field(factory=NamedKeys)


async def join_mesh(
    token: Token,
    node_id: NodeId,
    identity: Identity,
    transport: Transport,
    *,
    limit: float = HANDSHAKE_LIMIT,
) -> Welcomed:
    """Go to the node that invites, and use the invitation up.

    Its addresses are tried one after the other; ``limit`` is in seconds, for each.
    Raises: DialError, where it is at none of them; HandshakeError, where it refuses.
    """
    error: Exception | None = None
    for address in token.addresses:
        try:
            connection = await transport.dial(address)
            return await _join_at(connection, token, node_id, identity, limit)
        except DialError as failed:
            error = error or failed
        except HandshakeError as refused:
            if refused.reason not in _TRY_ELSEWHERE:
                raise
            error = refused
    assert error is not None
    raise error


async def _join_at(
    connection: Connection, token: Token, node_id: NodeId, identity: Identity, limit: float
) -> Welcomed:
    own = _credentials(token, node_id, identity)
    code, reason = 1000, ""
    try:
        with proving(connection.remote, limit, dialled=True):
            return await _prove(connection, token, own)
    except HandshakeError as error:
        code, reason = close_code(error.reason), error.reason
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await connection.close(code, reason)


async def _prove(connection: Connection, token: Token, own: Credentials) -> Welcomed:
    channel = await dial_channel(connection, own, expect=token.key, invite=token.id.hex())
    await connection.send(make_hello(own, channel))
    proved = await receive_hello(channel)
    if proved.record.node_id != token.node_id:
        raise HandshakeError(
            "the node goes by another name than the invitation", reason="bad_hello"
        )
    secret, revokers = await receive_welcome(channel, proved.record.node_id)
    if len(secret) < SECRET_LENGTH or secret.startswith(_REFERENCES):
        raise HandshakeError("a welcome with an invalid secret", reason="bad_hello")
    register_secret(secret)
    return Welcomed(secret, proved.record.sign_key_bytes(), revokers)


def _credentials(token: Token, node_id: NodeId, identity: Identity) -> Credentials:
    record = NodeRecord(
        node_id=node_id,
        sign_key=base64.b64encode(identity.sign_public).decode(),
        channel_key=base64.b64encode(identity.channel_public).decode(),
        epoch=0,  # older than any that the node will write of itself
        seq=0,
        instance=os.urandom(8).hex(),
    )
    signed = SignedRecord.make(record, identity)
    psk = token.psk
    return Credentials(
        node_id,
        identity,
        lambda: (psk,),
        record.instance,
        lambda: signed,
        anyio.current_time,
        time.time,
    )
