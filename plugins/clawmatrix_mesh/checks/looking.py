"""Looking who is at an address, without having a link there.

The handshake is the real one. Its hello says that no link is wanted (``spare``), so that the
other node answers with its own and closes; it lets nobody in and counts nobody as refused.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core import Clock, ConnectionLost, NodeRecord, StateError
from clawmatrix_core.spi import (
    CloseCode,
    HandshakeError,
    Identity,
    Keyring,
    SignedRecord,
    load_succession,
)
from clawmatrix_mesh.links.channel import Credentials, dial_channel
from clawmatrix_mesh.links.handshake import make_hello, proving, receive_hello
from clawmatrix_mesh.links.preamble import PROTOCOL

if TYPE_CHECKING:
    from clawmatrix_core import Config, Connection, State, Transport

__all__ = ["LIMIT", "Looker", "Seen"]

LIMIT = 5.0
"""Seconds the other end has for its part of a handshake."""
_PATIENCE = 1.0
"""Seconds in which a wrong secret is refused: it takes one round trip."""


@attrs.frozen
class Seen:
    """Who is at an address.

    Attributes:
        record: the node's record, None where this node has no key yet to ask it with.
        ahead: seconds by which its wall clock is ahead of this node's.
        previous: whether it takes only a secret that was in force before.
    """

    record: NodeRecord | None
    ahead: float = 0.0
    previous: bool = False


class Looker:
    """Looks at addresses with the credentials of a node that does not run."""

    def __init__(self, config: Config, state: State, *, limit: float = LIMIT) -> None:
        """Raises: StateError, where the node's key cannot be read."""
        self._limit = limit
        self._known = state.read("identity") is not None
        if self._known:
            self.identity = Identity.from_json(state.read("identity"))
            succession = load_succession(state, config.node_id, self.identity)
        else:
            self.identity, succession = Identity.generate(secrets.token_bytes), ()
        epoch = state.read("epoch") or 0
        if not isinstance(epoch, int):
            raise StateError(f"{state.locate('epoch')}: a number is expected")
        record = NodeRecord(
            node_id=config.node_id,
            sign_key=base64.b64encode(self.identity.sign_public).decode(),
            channel_key=base64.b64encode(self.identity.channel_public).decode(),
            epoch=epoch,
            seq=0,
            instance=secrets.token_hex(8),
            protocol=PROTOCOL,
            succession=succession,
        )
        self._own = _credentials(config, self.identity, record)

    async def look(self, transport: Transport, address: str) -> Seen:
        """Return who is there. Raises: DialError, HandshakeError."""
        refused: HandshakeError | None = None
        for psk in self._own.psks():
            try:
                seen = await self._look(transport, address, psk)
            except HandshakeError as error:
                if error.reason != "wrong_secret":
                    raise
                refused = error
            else:
                return attrs.evolve(seen, previous=refused is not None)
        assert refused is not None, "there is always a secret"
        raise refused

    async def _look(self, transport: Transport, address: str, psk: bytes) -> Seen:
        connection = await transport.dial(address)
        try:
            with proving(connection.remote, self._limit, dialled=True):
                return await self._prove(connection, psk)
        finally:
            with anyio.move_on_after(2, shield=True):
                await connection.close()

    async def _prove(self, connection: Connection, psk: bytes) -> Seen:
        own = self._own
        channel = await dial_channel(connection, own, psk=psk)
        if channel.remote_key == self.identity.channel_public:
            raise HandshakeError("the address is this node's own", reason="self")
        if not self._known:  # a key that is made up must not become known under this name
            await _not_refused(connection)
            return Seen(None)
        asked = own.now()
        await connection.send(make_hello(own, channel, spare=True))
        proved = await receive_hello(channel)
        on_its_way = (own.now() - asked) / 2
        return Seen(proved.record, proved.said_at + on_its_way - own.wall())


def _credentials(config: Config, identity: Identity, record: NodeRecord) -> Credentials:
    signed = SignedRecord.make(record, identity)
    clock, keyring = Clock(), Keyring(config.secret, config.previous_secrets)
    return Credentials(
        config.node_id,
        identity,
        lambda: keyring.psks,
        record.instance,
        lambda: signed,
        clock.now,
        clock.wall,
    )


async def _not_refused(connection: Connection) -> None:
    """Return once a wrong secret would have been refused. Raises: ConnectionLost, where it was."""
    try:
        with anyio.move_on_after(_PATIENCE):
            await connection.receive()
    except ConnectionLost as lost:
        if lost.code != CloseCode.SILENT:  # that it waited for more says as much
            raise
