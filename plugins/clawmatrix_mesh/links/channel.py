"""A connection's Noise messages: both ends agree on keys, and each learns the other's.

Three messages (XXpsk3, empty payloads), the first two behind a line of JSON that says which
protocol versions each end speaks. A node that joins by an invitation goes the same way, with
the invitation's key in place of the secret and under a prologue of its own, so that neither
can be taken for the other. ``docs/protocol.md`` has every byte.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core import LocalProtocolError, NodeId, shown_address
from clawmatrix_core.spi import XXPSK3, Handshake, HandshakeError, Session
from clawmatrix_mesh.links.limits import HELLO_LIMIT
from clawmatrix_mesh.links.preamble import PROTOCOL, Preamble, agree, cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import Connection
    from clawmatrix_core.spi import Identity, SignedRecord

__all__ = ["ANYBODY", "Channel", "Credentials", "Invited", "answer_channel", "dial_channel"]

ANYBODY = NodeId("*")
"""Who is at the other end before that has said so."""

_PROLOGUE = b"clawmatrix link v1\0"
_INVITE_PROLOGUE = b"clawmatrix invitation v1\0"


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


async def dial_channel(
    connection: Connection,
    own: Credentials,
    *,
    psk: bytes | None = None,
    expect: bytes | None = None,
    invite: str | None = None,
) -> Channel:
    """Exchange the Noise messages at the dialling end. Raises: HandshakeError, ConnectionLost.

    Args:
        psk: what to dial with, if not the first of those in force.
        expect: the X25519 key of the only node that will do; another one that answers does
            not learn who dialled.
        invite: the invitation that this end comes with; ``psk`` is its key.
    """
    connection.limit(HELLO_LIMIT)
    agreed = await _dialling(connection, own, psk or own.psks()[0], expect, invite)
    connection.allow(HELLO_LIMIT)
    return _channel(connection, own, agreed, dialled=True)


async def answer_channel(
    connection: Connection, own: Credentials, invited: Invited | None = None
) -> Channel:
    """Exchange them at the answering end. Raises: HandshakeError, ConnectionLost.

    ``invited`` gives the keys of this node's own invitations; without it there are none.
    """
    connection.limit(HELLO_LIMIT)
    agreed = await _answering(connection, own, invited or _uninvited)
    connection.allow(HELLO_LIMIT)
    return _channel(connection, own, agreed, dialled=False)


def _channel(
    connection: Connection, own: Credentials, agreed: _Agreed, *, dialled: bool
) -> Channel:
    handshake = agreed.handshake
    return Channel(
        connection,
        dialled,
        agreed.protocol,
        agreed.offered,
        handshake.remote_static,
        agreed.psk,
        handshake.hash,
        Session(handshake.hash[:8], ANYBODY, *handshake.split(), "", own.now()),
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
        raise HandshakeError(
            f"another node is at {shown_address(connection.remote)}", reason="wrong_node"
        )
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
