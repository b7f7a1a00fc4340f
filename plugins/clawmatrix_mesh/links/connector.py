"""Dialling an address once, up to the link that comes of it and until that closes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.spi import HandshakeError
from clawmatrix_mesh.addresses import find_transport
from clawmatrix_mesh.links.channel import dial_channel
from clawmatrix_mesh.links.handshake import make_hello, proving, receive_hello
from clawmatrix_mesh.links.names import require_good_name
from clawmatrix_mesh.links.runner import closing

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Connection, Link, Node, Objection
    from clawmatrix_mesh.links.handshake import Proved
    from clawmatrix_mesh.links.limits import LinkLimits
    from clawmatrix_mesh.links.neighbours import Neighbour, Neighbours
    from clawmatrix_mesh.links.runner import LinkRunner

__all__ = ["Connector"]


class Connector:
    """Dials, and makes links of the connections.

    The dialling end says hello first, and waits for the answering end's hello. Each end
    decides before it takes the link; the answering end's hello is the first message on it.
    """

    def __init__(self, node: Node, runner: LinkRunner, *, limits: LinkLimits) -> None:
        self._node = node
        self._runner = runner
        self._limits = limits

    @property
    def neighbours(self) -> Neighbours:
        """The links there are."""
        return self._runner.neighbours

    async def dial(
        self,
        address: str,
        *,
        reached: Callable[[Proved], None],
        expect: bytes | None = None,
        objection: Objection | None = None,
    ) -> Link:
        """Connect to an address, and carry the link until it closes.

        Returns the link, which has closed. ``reached`` is called with who is there, as soon
        as that is proved. With ``expect``, only the node with that X25519 key will do.
        With ``objection``, the address is one that another node advertises.
        Raises: DialError; HandshakeError, with the reason ``duplicate`` where there is a
            link to that node already.
        """
        first, *others = self._runner.credentials.psks()
        for psk in (first, *others):
            try:
                return await self._dial(address, psk, reached, expect, objection)
            except HandshakeError as error:
                if error.reason != "wrong_secret":
                    raise
                refused = error  # it may not have the new secret yet
        raise refused

    async def _dial(
        self,
        address: str,
        psk: bytes,
        reached: Callable[[Proved], None],
        expect: bytes | None,
        objection: Objection | None,
    ) -> Link:
        transport = find_transport(self._node, address)
        if objection is None:
            connection = await transport.dial(address)
        else:
            connection = await transport.dial_advertised(address, objection)
        async with closing(connection):
            neighbour = await self._prove(connection, psk, reached, expect)
            await self._runner.run(neighbour)
        return neighbour.link

    async def _prove(
        self,
        connection: Connection,
        psk: bytes,
        reached: Callable[[Proved], None],
        expect: bytes | None,
    ) -> Neighbour:
        own, neighbours = self._runner.credentials, self._runner.neighbours
        with proving(connection.remote, self._limits.handshake, dialled=True):
            channel = await dial_channel(connection, own, psk=psk, expect=expect)
            # Two addresses of one node: one after the other, so that the second sees the first.
            async with neighbours.turn(channel.remote_key):
                known = await neighbours.find_living(channel.remote_key)
                spare = known is not None
                await connection.send(make_hello(own, channel, spare=spare))
                proved = await receive_hello(channel)
                require_good_name(self._node, proved, channel.remote_key)
                reached(proved)
                if known is not None:
                    neighbours.refuse_second(known, proved)
                await neighbours.decide(proved, dialled=True)
                return self._runner.take(channel, proved)
