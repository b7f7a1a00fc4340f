"""The links there are, and whether a connection that has proved itself becomes another."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core.spi import Bell, CloseCode, HandshakeError
from clawmatrix_mesh.links.duplicates import Facts, LinkChoice, choose

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import NoReturn

    from clawmatrix_core import Link, Node, NodeId
    from clawmatrix_mesh.links.handshake import Proved
    from clawmatrix_mesh.links.heartbeat import Heartbeat

__all__ = ["Neighbour", "Neighbours"]


@attrs.frozen(eq=False)
class Neighbour:
    """A link, with what its handshake proved of the other end: its X25519 key, and its epoch.

    ``psk`` is the secret by which it was let in.
    """

    link: Link
    key: bytes = attrs.field(repr=False)
    epoch: int
    psk: bytes = attrs.field(repr=False)


class Neighbours:
    """At most one link to each node, from the moment it is decided on."""

    def __init__(self, node: Node, heartbeat: Heartbeat, ping_limit: float) -> None:
        self._node = node
        self._heartbeat = heartbeat
        self._ping_limit = ping_limit
        self._by_name: dict[NodeId, Neighbour] = {}
        self._turns: dict[bytes, anyio.Lock] = {}
        self._gone = Bell()

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    async def wait_gone(self, name: NodeId | None) -> None:
        """Return once there is no link to a node."""
        while name in self._by_name:
            await self._gone.wait()

    # --- which link stays

    def refuse_second(self, known: Neighbour, proved: Proved) -> NoReturn:
        """Say what answers beside a living link. Raises: HandshakeError, always."""
        link, record = known.link, proved.record
        if (link.peer, link.instance) == (record.node_id, record.instance):
            raise HandshakeError(f"there is a link to {link.peer}", reason="duplicate")
        twins = f"{link.peer} runs twice: a copy of its state folder is in use"
        raise HandshakeError(twins, reason="twin")

    async def decide(self, proved: Proved, *, dialled: bool) -> None:
        """Return at once when the connection may become the link; the caller takes it then.

        Raises: HandshakeError, where an older link stays.
        """
        record = proved.record
        new = Facts(dialled, record.instance, record.epoch)
        while (old := self._by_name.get(record.node_id)) is not None:
            choice = self._choose(old, new, None)
            if choice is LinkChoice.PING:
                lives = await self._lives(old)
                if self._by_name.get(record.node_id) is not old:
                    continue  # things have changed: look again
                choice = self._choose(old, new, lives)
            if choice is LinkChoice.NEW:
                return
            if choice is LinkChoice.TWIN:
                raise HandshakeError(
                    f"{record.node_id} runs twice: a copy of its state folder is in use",
                    reason="twin",
                )
            raise HandshakeError(f"there is a link to {record.node_id}", reason="duplicate")

    def _choose(self, old: Neighbour, new: Facts, lives: bool | None) -> LinkChoice:
        facts = Facts(old.link.dialled, old.link.instance, self._epoch(old))
        own_key = self._node.identity.channel_public
        return choose(facts, new, own_key=own_key, peer_key=old.key, old_lives=lives)

    def _epoch(self, neighbour: Neighbour) -> int:
        # A running node can outdo its own epoch; its records tell.
        peer = self._node.directory.get(neighbour.link.peer)
        if peer is None or peer.record.instance != neighbour.link.instance:
            return neighbour.epoch
        return max(neighbour.epoch, peer.record.epoch)

    # --- what there is

    @asynccontextmanager
    async def turn(self, key: bytes) -> AsyncIterator[None]:
        """Wait for other dials to the same key to come to their end."""
        lock = self._turns.setdefault(key, anyio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked() and not lock.statistics().tasks_waiting:
                self._turns.pop(key, None)

    async def find_living(self, key: bytes) -> Neighbour | None:
        """Return the neighbour with a key, if its link answers; one that does not is closed."""
        for neighbour in tuple(self._by_name.values()):
            if neighbour.key == key and await self._lives(neighbour):
                return neighbour
        return None

    async def look_after_all(self) -> None:
        """Ping every link at once; those that do not answer are closed."""
        async with anyio.create_task_group() as tasks:
            for neighbour in tuple(self._by_name.values()):
                tasks.start_soon(self._lives, neighbour)

    async def _lives(self, neighbour: Neighbour) -> bool:
        """Ping a link and say whether a byte came in."""
        link = neighbour.link
        before = link.frames_in
        self._heartbeat.beat(link)
        with anyio.move_on_after(self._ping_limit):
            while link.frames_in == before and link.closing is None:
                await link.heard()
        if link.frames_in == before:
            link.close("it did not answer a ping", CloseCode.DEAD)
        return link.closing is None

    def retire(self) -> None:
        """Close the links that were made with a secret which is no longer in force."""
        psks = self._node.keyring.psks
        for neighbour in tuple(self._by_name.values()):
            if neighbour.psk not in psks:
                reason = "it was made with a secret that is no longer in force"
                neighbour.link.close(reason, CloseCode.WRONG_SECRET)

    def limit(self, frames: int, size: int) -> None:
        """Let this much be read from each link in a second."""
        for neighbour in self._by_name.values():
            if neighbour.link.rate is not None:
                neighbour.link.rate.use(frames, size)

    def expel(self, name: NodeId) -> None:
        """Close the link to a member that was revoked, one that is not open yet included."""
        neighbour = self._by_name.get(name)
        if neighbour is not None:
            neighbour.link.close(f"{name} was revoked", CloseCode.REVOKED)

    def keep_key(self, name: NodeId, key: bytes | None) -> None:
        """Close the link to a node unless it has this key, one that is not open yet included."""
        neighbour = self._by_name.get(name)
        if neighbour is not None and neighbour.link.session.peer_key != key:
            reason = "its key was replaced or forgotten"
            neighbour.link.close(reason, CloseCode.PIN_CONFLICT)

    def put(self, neighbour: Neighbour) -> None:
        """Take a link in; an older one to the same node is closed."""
        name = neighbour.link.peer
        old = self._by_name.get(name)
        self._by_name[name] = neighbour
        if old is not None:
            restarted = old.link.instance != neighbour.link.instance
            code = CloseCode.TWIN if restarted else CloseCode.DUPLICATE
            old.link.close("another link took its place", code)

    def remove(self, neighbour: Neighbour) -> None:
        """Take a link out that has closed."""
        name = neighbour.link.peer
        if self._by_name.get(name) is neighbour:
            del self._by_name[name]
            self._gone.ring()
