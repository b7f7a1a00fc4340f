"""Connections that come in: who may prove itself, and what becomes of those that do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import anyio

from clawmatrix_core import RateLimitedLogger
from clawmatrix_core.spi import HandshakeError, stray
from clawmatrix_mesh.links.admission import Doorway, RefusedConnections, source_of
from clawmatrix_mesh.links.channel import answer_channel
from clawmatrix_mesh.links.handshake import make_hello, proving, receive_hello
from clawmatrix_mesh.links.names import require_good_name
from clawmatrix_mesh.links.runner import closing

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Connection, Listener, Node
    from clawmatrix_mesh.links.channel import Channel, Credentials
    from clawmatrix_mesh.links.limits import LinkLimits
    from clawmatrix_mesh.links.neighbours import Neighbour
    from clawmatrix_mesh.links.runner import LinkRunner

__all__ = ["Acceptor", "Invites"]

_REST = 1.0
"""Seconds of rest after a listener failed to accept."""


class Invites(Protocol):
    """Answers connections that come with an invitation; these never become links."""

    def key(self, invite: str, remote: str) -> bytes:
        """Return the key of an invitation, by its id. Raises: HandshakeError."""
        ...

    async def welcome(self, channel: Channel, own: Credentials) -> None:
        """Answer a connection that has proved its invitation. Raises: HandshakeError."""
        ...


class Acceptor:
    """Answers connections, and makes links of those that prove themselves.

    The dialling end says hello first. This end decides before it takes the link, and its
    own hello is the first message on it.

    Attributes:
        refused: the connections that were refused lately.
    """

    def __init__(
        self,
        node: Node,
        runner: LinkRunner,
        invites: Invites,
        *,
        limits: LinkLimits,
        report: Callable[[str, Exception, str], None],
    ) -> None:
        self.refused = RefusedConnections()
        self._node = node
        self._runner = runner
        self._invites = invites
        self._limits = limits
        self._report = report
        self._doorway = Doorway(limits.unproved)
        self._log = RateLimitedLogger(node.logger("mesh"), clock=node.clock.now)

    async def accept(self, listener: Listener) -> None:
        """Take connections until cancelled."""
        where = next(iter(listener.addresses), "")
        async with anyio.create_task_group() as tasks:
            while True:
                try:
                    connection = await listener.accept()
                except BaseException as error:  # it may accept again
                    if (fault := stray(error)) is None:
                        raise
                    self._report(where, fault, "accept")
                    await anyio.sleep(_REST)
                else:
                    tasks.start_soon(self._answer, connection, where)

    async def _answer(self, connection: Connection, where: str) -> None:
        try:
            async with closing(connection):
                neighbour = await self._let_in(connection)
                if neighbour is not None:
                    await self._runner.run(neighbour)
        except HandshakeError as error:
            self.note_refused(connection.remote, error)
        except BaseException as error:  # one connection's fault is not the others'
            if (fault := stray(error)) is None:
                raise
            self._report(where, fault, "accepted connection")

    async def _let_in(self, connection: Connection) -> Neighbour | None:
        """Run the handshake while others of its kind leave it the time.

        Returns None for a connection that came with an invitation: that makes no link.
        Raises: HandshakeError.
        """
        visitor = self._doorway.enter(source_of(connection.remote))
        try:
            with visitor.scope:
                return await self._prove(connection)
        finally:
            self._doorway.leave(visitor)
        raise HandshakeError(
            f"{connection.remote} had to make room: too many handshakes at once",
            reason="too_many_handshakes",
        )

    async def _prove(self, connection: Connection) -> Neighbour | None:
        own, neighbours = self._runner.credentials, self._runner.neighbours
        with proving(connection.remote, self._limits.handshake, dialled=False):
            channel = await answer_channel(connection, own, self._invites.key)
            if channel.invite is not None:
                await self._invites.welcome(channel, own)
                return None
            proved = await receive_hello(channel)
            require_good_name(self._node, proved, channel.remote_key)
            if proved.spare:
                await connection.send(make_hello(own, channel))
                raise HandshakeError(
                    f"{proved.record.node_id} has a link already", reason="duplicate"
                )
            await neighbours.decide(proved, dialled=False)
            return self._runner.take(channel, proved)

    def note_refused(self, remote: str, error: HandshakeError) -> None:
        """Count and log a connection that was refused, and keep it for status."""
        if error.reason in ("duplicate", "self"):
            return  # nobody did wrong; the dialling end knows
        self._node.counters[error.reason] += 1
        self.refused.add(remote, error.reason, str(error), self._node.clock.wall())
        self._log.warning((source_of(remote), error.reason), "refused %s: %s", remote, error)
