"""From a connection that has proved itself to a link, and on until that closes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from msgspec.structs import replace

from clawmatrix_core import Lane, Link
from clawmatrix_core.spi import MESSAGE_LIMIT, Accepted, CloseCode, HandshakeError, Rate
from clawmatrix_mesh.links.close_codes import close_code, lost_reason
from clawmatrix_mesh.links.handshake import make_hello
from clawmatrix_mesh.links.neighbours import Neighbour

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clawmatrix_core import Connection, Node
    from clawmatrix_mesh.links.channel import Channel, Credentials
    from clawmatrix_mesh.links.handshake import Proved
    from clawmatrix_mesh.links.heartbeat import Heartbeat
    from clawmatrix_mesh.links.limits import LinkLimits
    from clawmatrix_mesh.links.neighbours import Neighbours
    from clawmatrix_mesh.members.membership import Membership

__all__ = ["LinkRunner", "closing"]

_CLOSE_LIMIT = 5.0
"""Seconds a transport has to close, should it not keep to its own limit."""


class LinkRunner:
    """Makes a link of a proved connection, and carries it until it closes.

    Attributes:
        neighbours: the links there are.
        credentials: what this node proves itself with.
    """

    def __init__(
        self,
        node: Node,
        membership: Membership,
        heartbeat: Heartbeat,
        neighbours: Neighbours,
        credentials: Credentials,
        limits: LinkLimits,
        key_refused: Callable[[str], None],
    ) -> None:
        self._key_refused = key_refused
        self.neighbours = neighbours
        self.credentials = credentials
        self._node = node
        self._membership = membership
        self._heartbeat = heartbeat
        self._limits = limits

    def limit(self, frames: int, size: int) -> None:
        """Let this much be read from each link in a second, of new links too."""
        self._limits = replace(self._limits, frames=frames, bytes=size)
        self.neighbours.limit(frames, size)

    def take(self, channel: Channel, proved: Proved) -> Neighbour:
        """Make a connection the link to its node. The caller carries it.

        This waits for nothing, so that no other connection to the node comes in between.
        """
        if self._node.accept_record(proved.signed, proven=True) is Accepted.NEWER:
            self._membership.pass_on_proven(proved.signed)
        link = self._link(channel, proved)
        if not channel.dialled:
            link.enqueue(make_hello(self.credentials, channel), Lane.CONTROL)
        # The transport may still hold the next frame to the small limit of the handshake, so
        # a small frame goes first.
        self._heartbeat.beat(link)
        channel.connection.limit(MESSAGE_LIMIT)
        channel.connection.allow(None)
        neighbour = Neighbour(link, channel.remote_key, proved.record.epoch, channel.psk)
        self.neighbours.put(neighbour)
        self.neighbours.retire()  # its secret may have been put out of force during the handshake
        return neighbour

    def _link(self, channel: Channel, proved: Proved) -> Link:
        return Link(
            channel.connection,
            peer=proved.record.node_id,
            session=proved.session,
            dialled=channel.dialled,
            instance=proved.record.instance,
            protocol=proved.protocol,
            peer_protocol=proved.peer_protocol,
            drain_limit=self._limits.drain,
            rate=Rate(self._limits.frames, self._limits.bytes),
            now=self._node.clock.now,
        )

    async def run(self, neighbour: Neighbour) -> None:
        """Run a link, with its heartbeat, until it closes."""
        link = neighbour.link
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._heartbeat.run, link)
                reason = await self._node.run_link(link)
                tasks.cancel_scope.cancel()
        finally:
            self.neighbours.remove(neighbour)
            self._membership.own.touch()
        held = self._node.clock.now() - link.opened
        if link.lost_code == CloseCode.PIN_CONFLICT and held < self._limits.handshake:
            self._key_refused(str(link.peer))  # it may also forget a key, but then the link was old
        misbehaved = lost_reason(link.lost_code)
        if misbehaved is not None:
            self._node.switch.report(link.peer, misbehaved, reason)


@asynccontextmanager
async def closing(connection: Connection) -> AsyncIterator[None]:
    """Close the connection in the end; if it was refused, tell the other end why."""
    code: int = CloseCode.NORMAL
    reason = ""
    try:
        yield
    except HandshakeError as error:
        code, reason = close_code(error.reason), error.reason
        raise
    finally:
        with anyio.move_on_after(_CLOSE_LIMIT, shield=True):
            await connection.close(code, reason)
