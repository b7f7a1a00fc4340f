"""The inviting end of an invitation: who may try, and what whoever proved it is told.

After the Noise messages and the joining node's hello come this node's hello and a frame
``welcome`` with the secret of the mesh. ``docs/protocol.md`` has every byte.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_core import Bound, NamedKeys
from clawmatrix_core.spi import HandshakeError
from clawmatrix_mesh.links.admission import source_of
from clawmatrix_mesh.links.handshake import make_hello, receive_hello, receive_payload, seal_frame
from clawmatrix_mesh.links.names import require_good_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Node, NodeId
    from clawmatrix_mesh.invite.invitations import Invitations
    from clawmatrix_mesh.links.channel import Channel, Credentials

__all__ = ["BURST", "REFILL", "SOURCES", "WELCOME", "Inviter", "Turnstile", "receive_welcome"]

WELCOME = "welcome"
BURST, REFILL = 8, 5.0
"""Unknown invitations that one place may name in a row, and seconds until one more."""

SOURCES = Bound(
    1024,
    "places from which invitations are tried, each with its count",
    fed_by="a stranger",
    when_full="the one that tried longest ago is forgotten",
)


class _Source(msgspec.Struct):
    tokens: float
    at: float


class Turnstile:
    """Lets each place name unknown invitations so often. Memory is bounded."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sources)

    def count_try(self, remote: str) -> None:
        """Count a try. Raises: HandshakeError, where it is one too many."""
        now, place = self._now(), source_of(remote)
        source = self._sources.setdefault(place, _Source(BURST, now))
        self._sources.move_to_end(place)
        if len(self._sources) > SOURCES:
            self._sources.popitem(last=False)
        source.tokens = min(BURST, source.tokens + (now - source.at) / REFILL)
        source.at = now
        if source.tokens < 1:
            raise HandshakeError(f"too many invitations from {place}", reason="invite_rate")
        source.tokens -= 1


class Inviter:
    """Answers those that come with an invitation."""

    def __init__(self, node: Node, invitations: Invitations) -> None:
        self._node = node
        self._invitations = invitations
        self._turnstile = Turnstile(node.clock.now)

    def key(self, invite: str, remote: str) -> bytes:
        """Return the key of an invitation that somebody names. Raises: HandshakeError.

        Many may come from one place, a proxy or a NAT. So nobody has to wait for the tries of
        others there whose invitation is known here; its proof costs as much as any handshake.
        """
        try:
            return self._invitations.key(invite)
        except HandshakeError as error:
            if error.reason == "invite_unknown":
                self._turnstile.count_try(remote)
            raise

    async def welcome(self, channel: Channel, own: Credentials) -> None:
        """Let in whoever has proved an invitation, which is then used.

        Where the invitation was made for a name, the key is known as the name's from then on.
        Raises: HandshakeError, where it was used meanwhile, or the name cannot be; StateError.
        """
        invite = channel.invite
        assert invite is not None
        proved = await receive_hello(channel)
        name = proved.record.node_id
        # Nothing waits from here to the spending, so that of two at a time one is let in.
        bound = self._invitations.check(invite, name).name is not None
        require_good_name(self._node, proved, channel.remote_key)
        self._invitations.spend(invite, name)
        if bound:
            key, now = proved.record.sign_key_bytes(), self._node.clock.wall()
            self._node.trust.insist(name, key, now=now)
        self._node.logger("mesh").info("%s joins by invitation %s", name, invite)
        await channel.connection.send(make_hello(own, channel))
        told: dict[str, object] = {"secret": self._node.keyring.secret.reveal()}
        if revokers := self._node.revocations.revokers:
            told["revokers"] = NamedKeys(revokers).texts()
        await channel.connection.send(seal_frame(own, channel, WELCOME, name, told))


async def receive_welcome(channel: Channel, sender: NodeId) -> tuple[str, NamedKeys]:
    """Return the secret of the mesh, and whose revocations are in force at the inviting node.

    An older node names nobody. Raises: HandshakeError, ConnectionLost.
    """
    payload: dict[str, Any] = await receive_payload(channel, WELCOME, sender)
    secret = payload.get("secret")
    if not isinstance(secret, str):
        raise HandshakeError("a welcome without a secret", reason="bad_hello")
    try:
        return secret, NamedKeys.parse(payload.get("revokers", {}))
    except (TypeError, ValueError) as error:
        raise HandshakeError(
            f"a welcome with wrong revokers: {error}", reason="bad_hello"
        ) from None
