"""Dialling, accepting, and seeing to it that each pair of nodes has one link."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core.base.errors import HandshakeError
from clawmatrix_core.base.log import RateLimitedLogger
from clawmatrix_core.members.directory import Accepted
from clawmatrix_core.wire.close_codes import CloseCode
from clawmatrix_core.wire.codec import MESSAGE_LIMIT, Lane
from clawmatrix_core.wire.link import Link
from clawmatrix_core.wire.rate import Rate
from clawmatrix_mesh.addresses import find_transport
from clawmatrix_mesh.invite.inviting import Inviter
from clawmatrix_mesh.links.admission import Doorway, Refusals, source_of
from clawmatrix_mesh.links.channel import Channel, Credentials, answer_channel, dial_channel
from clawmatrix_mesh.links.close_codes import close_code, lost_reason
from clawmatrix_mesh.links.handshake import Proved, make_hello, proving, receive_hello
from clawmatrix_mesh.links.neighbours import Neighbour, Neighbours

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.wire.transport import Connection, Listener
    from clawmatrix_mesh.invite.invitations import Invitations
    from clawmatrix_mesh.links.heartbeat import Heartbeat
    from clawmatrix_mesh.links.limits import LinkLimits
    from clawmatrix_mesh.members.membership import Membership

__all__ = ["Connector"]

_CLOSE_LIMIT = 5.0
"""Seconds a transport has to close, should it not keep to its own limit."""
_REST = 1.0
"""Seconds of rest after a listener failed to accept."""


class Connector:
    """Makes links out of connections, and keeps one to each neighbour.

    The dialling end says hello first, and waits for the answering end's hello. Each end
    decides before it takes the link; the answering end's hello is the first message on it.

    Attributes:
        refusals: the connections that were refused lately.
    """

    def __init__(
        self,
        node: Node,
        membership: Membership,
        heartbeat: Heartbeat,
        credentials: Credentials,
        *,
        invitations: Invitations,
        limits: LinkLimits,
        report: Callable[[Exception, str], None],
    ) -> None:
        self.refusals = Refusals()
        self._node = node
        self._membership = membership
        self._heartbeat = heartbeat
        self._credentials = credentials
        self._limits = limits
        self._report = report
        self._doorway = Doorway(limits.unproved)
        self._neighbours = Neighbours(node, heartbeat, limits.ping)
        self._inviter = Inviter(node, invitations, self._neighbours)
        self._log = RateLimitedLogger(node.logger("mesh"), clock=node.clock.now)

    @property
    def neighbours(self) -> Neighbours:
        """The links there are, as far as new connections are concerned."""
        return self._neighbours

    def retire(self) -> None:
        """Close the links that were made with a secret which is no longer in force."""
        self._neighbours.retire(self._credentials.psks())

    def limit(self, frames: int, size: int) -> None:
        """Let this much be read from each link in a second, of new links too."""
        self._limits = attrs.evolve(self._limits, frames=frames, bytes=size)
        self._neighbours.limit(frames, size)

    # --- accepting

    async def accept(self, listener: Listener) -> None:
        """Take connections until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                try:
                    connection = await listener.accept()
                except Exception as error:  # noqa: BLE001 - it may accept again
                    self._report(error, "accept")
                    await anyio.sleep(_REST)
                else:
                    tasks.start_soon(self._answer, connection)

    async def _answer(self, connection: Connection) -> None:
        try:
            async with self._closing(connection):
                neighbour = await self._let_in(connection)
                if neighbour is not None:
                    await self._carry(neighbour)
        except HandshakeError as error:
            self._refused(connection.remote, error)
        except Exception as error:  # noqa: BLE001 - one connection's fault is not the others'
            self._report(error, "accepted connection")

    async def _let_in(self, connection: Connection) -> Neighbour | None:
        """Run the handshake while others of its kind leave it the time.

        Returns None for whoever came with an invitation: that makes no link.
        Raises: HandshakeError.
        """
        visitor = self._doorway.enter(source_of(connection.remote))
        try:
            with visitor.scope:
                return await self._prove_answering(connection)
        finally:
            self._doorway.leave(visitor)
        raise HandshakeError(
            f"{connection.remote} had to make room: too many handshakes at once",
            reason="too_many_handshakes",
        )

    async def _prove_answering(self, connection: Connection) -> Neighbour | None:
        own = self._credentials
        with proving(connection.remote, self._limits.handshake, dialled=False):
            channel = await answer_channel(connection, own, self._inviter.key)
            if channel.invite is not None:
                await self._inviter.welcome(channel, own)
                return None
            proved = await receive_hello(channel)
            self._neighbours.check(proved, channel.remote_key)
            if proved.spare:
                await connection.send(make_hello(own, channel))
                raise HandshakeError(
                    f"{proved.record.node_id} has a link already", reason="duplicate"
                )
            await self._neighbours.decide(proved, dialled=False)
            return self._take(connection, channel, proved)

    # --- dialling

    async def dial(
        self, address: str, *, reached: Callable[[Proved], None], expect: bytes | None = None
    ) -> Link:
        """Connect to an address, and carry the link until it closes.

        Returns the link, which has closed. ``reached`` is called with who is there, as soon
        as that is proved. With ``expect``, only the node with that X25519 key will do.
        Raises: DialError; HandshakeError, with the reason ``duplicate`` where there is a
            link to that node already.
        """
        first, *others = self._credentials.psks()
        for psk in (first, *others):
            try:
                return await self._dial(address, psk, reached, expect)
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
    ) -> Link:
        connection = await find_transport(self._node, address).dial(address)
        async with self._closing(connection):
            neighbour = await self._prove_dialling(connection, psk, reached, expect)
            await self._carry(neighbour)
        return neighbour.link

    async def _prove_dialling(
        self,
        connection: Connection,
        psk: bytes,
        reached: Callable[[Proved], None],
        expect: bytes | None,
    ) -> Neighbour:
        own, neighbours = self._credentials, self._neighbours
        with proving(connection.remote, self._limits.handshake, dialled=True):
            channel = await dial_channel(connection, own, psk=psk, expect=expect)
            # Two addresses of one node: one after the other, so that the second sees the first.
            async with neighbours.turn(channel.remote_key):
                known = await neighbours.living(channel.remote_key)
                spare = known is not None
                await connection.send(make_hello(own, channel, spare=spare))
                proved = await receive_hello(channel)
                neighbours.check(proved, channel.remote_key)
                reached(proved)
                if known is not None:
                    neighbours.compare(known, proved)
                await neighbours.decide(proved, dialled=True)
                return self._take(connection, channel, proved)

    # --- both

    def _take(self, connection: Connection, channel: Channel, proved: Proved) -> Neighbour:
        """Make the connection the link to its node. Waits for nothing, so that nobody is before."""
        record = proved.record
        if self._node.accept_record(proved.signed, proven=True) is Accepted.NEWER:
            self._membership.took(proved.signed)
        link = Link(
            connection,
            peer=record.node_id,
            session=proved.session,
            dialled=channel.dialled,
            instance=record.instance,
            protocol=proved.protocol,
            peer_protocol=proved.peer_protocol,
            drain_limit=self._limits.drain,
            rate=Rate(self._limits.frames, self._limits.bytes),
            now=self._node.clock.now,
        )
        if not channel.dialled:
            link.offer(make_hello(self._credentials, channel), Lane.CONTROL)
        # A transport may hold the frame behind the hello to the limit of before: a small one.
        self._heartbeat.ping(link)
        connection.limit(MESSAGE_LIMIT)
        neighbour = Neighbour(link, channel.remote_key, record.epoch, channel.psk)
        self._neighbours.put(neighbour)
        return neighbour

    async def _carry(self, neighbour: Neighbour) -> None:
        link = neighbour.link
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._heartbeat.run, link)
                reason = await self._node.run_link(link)
                tasks.cancel_scope.cancel()
        finally:
            self._neighbours.remove(neighbour)
            self._membership.touch()
        misbehaved = lost_reason(link.lost_code)
        if misbehaved is not None:
            self._node.switch.refuse(link.peer, misbehaved, reason)

    @asynccontextmanager
    async def _closing(self, connection: Connection) -> AsyncIterator[None]:
        """Close the connection in the end, with a word on why it was refused if it was."""
        code, reason = CloseCode.NORMAL, ""
        try:
            yield
        except HandshakeError as error:
            code, reason = close_code(error.reason), error.reason
            raise
        finally:
            with anyio.move_on_after(_CLOSE_LIMIT, shield=True):
                await connection.close(code, reason)

    def _refused(self, remote: str, error: HandshakeError) -> None:
        if error.reason in ("duplicate", "self"):
            return  # nobody did wrong; the dialling end knows
        self._node.counters[error.reason] += 1
        self.refusals.add(remote, error.reason, str(error), self._node.clock.wall())
        self._log.warning((source_of(remote), error.reason), "refused %s: %s", remote, error)
