"""Dialling, accepting, and seeing to it that each pair of nodes has one link."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import attrs

from clawmatrix_core.directory import Accepted
from clawmatrix_core.errors import (
    ConnectionLost,
    DialError,
    HandshakeError,
    RemoteProtocolError,
    StartError,
)
from clawmatrix_core.link import Link
from clawmatrix_core.log import RateLimitedLogger
from clawmatrix_mesh.duplicates import Facts, Verdict, choose
from clawmatrix_mesh.handshake import HANDSHAKE_LIMIT, Credentials, Proved, prove

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.frames import NodeId
    from clawmatrix_core.node import Node
    from clawmatrix_core.transport import Connection, Listener
    from clawmatrix_mesh.heartbeat import Heartbeat
    from clawmatrix_mesh.membership import Membership

__all__ = ["Attempt", "Connector"]

BACKOFF = (0.5, 60.0)
"""Seconds before the first new dial after a failure, and at most."""
STEADY = 10.0
"""Seconds after which a link counts as steady: the back-off starts anew."""
TWIN_WAIT = 60.0
"""Seconds before the next dial, where another running copy has the link."""
UNPROVED = 64
"""Connections that may be in a handshake at the same time."""
_PING_WAIT = 2.0

_CODES = {
    "wrong_secret": 4001,
    "version": 4003,
    "twin": 4004,
    "duplicate": 4005,
    "pin_conflict": 4006,
    "self": 4007,
    "silent": 4008,
}
"""Close codes that tell the other end why it was refused; 4000 for all else."""


@attrs.define
class Attempt:
    """The state of one address that this node dials, for status."""

    address: str
    node_id: NodeId | None = None
    failures: int = 0
    error: str | None = None


class Connector:
    """Keeps the links of a node."""

    def __init__(
        self,
        node: Node,
        membership: Membership,
        heartbeat: Heartbeat,
        credentials: Credentials,
        *,
        report: Callable[[Exception, str], None],
    ) -> None:
        self._node = node
        self._membership = membership
        self._heartbeat = heartbeat
        self._credentials = credentials
        self._report = report
        self._unproved = 0
        self._log = RateLimitedLogger(node.logger("mesh"), clock=node.clock.now)
        self._closed: dict[NodeId, anyio.Event] = {}
        self.attempts: dict[str, Attempt] = {}

    # --- accepting

    async def accept(self, listener: Listener) -> None:
        """Take connections until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                connection = await listener.accept()
                if self._unproved >= UNPROVED:
                    self._node.counters["too_many_handshakes"] += 1
                    tasks.start_soon(connection.close, 1013, "too many handshakes")
                    continue
                tasks.start_soon(self._answer, connection)

    async def _answer(self, connection: Connection) -> None:
        try:
            self._unproved += 1
            try:
                proved = await self._prove(connection, dialled=False)
            finally:
                self._unproved -= 1
            await self._use(connection, proved, dialled=False)
        except (HandshakeError, ConnectionLost) as error:
            self._refused(connection.remote, error)
        except Exception as error:  # noqa: BLE001 - one connection's fault is not the others'
            self._report(error, "accept")
        finally:
            with anyio.CancelScope(shield=True):
                await connection.close()

    # --- dialling

    async def keep(self, address: str) -> None:
        """Dial an address, again and again, as long as there is no link to its node."""
        attempt = self.attempts.setdefault(address, Attempt(address))
        while True:
            began = self._node.clock.now()
            wait: float | None = None
            try:
                await self._dial(attempt)
                attempt.error = None
            except (HandshakeError, DialError, ConnectionLost) as error:
                attempt.error = str(error)
                if isinstance(error, HandshakeError) and error.reason in ("twin", "self"):
                    wait = TWIN_WAIT
                self._log.warning((address, str(error)), "%s: %s", address, error)
            except Exception as error:  # noqa: BLE001 - the next dial may fare better
                attempt.error = str(error)
                self._report(error, "dial")
            steady = self._node.clock.now() - began > STEADY
            attempt.failures = 0 if steady else attempt.failures + 1
            await anyio.sleep(self._backoff(attempt.failures) if wait is None else wait)
            await self._until_needed(attempt)

    def _backoff(self, failures: int) -> float:
        first, most = BACKOFF
        ceiling = min(most, first * 2 ** min(failures, 10))
        return self._node.random.uniform(ceiling / 2, ceiling)

    async def _until_needed(self, attempt: Attempt) -> None:
        while attempt.node_id is not None and attempt.node_id in self._node.links:
            await self._closed.setdefault(attempt.node_id, anyio.Event()).wait()

    async def _dial(self, attempt: Attempt) -> None:
        transport = self._node.transports.get(urlsplit(attempt.address).scheme)
        if transport is None:
            known = ", ".join(sorted(self._node.transports)) or "none"
            raise DialError(f"no transport for {attempt.address} (there are: {known})")
        connection = await transport.dial(attempt.address)
        try:
            proved = await self._prove(connection, dialled=True)
            attempt.node_id = proved.record.node_id
            await self._use(connection, proved, dialled=True)
        finally:
            with anyio.CancelScope(shield=True):
                await connection.close()

    # --- both

    async def _prove(self, connection: Connection, *, dialled: bool) -> Proved:
        try:
            proved = await prove(
                connection, self._credentials, dialled=dialled, limit=HANDSHAKE_LIMIT
            )
            self._admit(proved)
        except HandshakeError as error:
            with anyio.CancelScope(shield=True):
                await connection.close(_CODES.get(error.reason, 4000), error.reason)
            raise
        return proved

    def _admit(self, proved: Proved) -> None:
        name = proved.record.node_id
        if name == self._node.id:
            raise HandshakeError(f"another node is named {name}, as this one", reason="twin")
        outcome = self._node.accept_record(proved.signed, proven=True)
        if outcome is Accepted.CONFLICT:
            raise HandshakeError(
                f"{name} shows another key than the one known here: see `clawmatrix trust list`",
                reason="pin_conflict",
            )
        if outcome is Accepted.NEWER:
            self._membership.took(proved.signed)

    def _refused(self, remote: str, error: Exception) -> None:
        reason = error.reason if isinstance(error, RemoteProtocolError) else "handshake_lost"
        self._node.counters[reason] += 1
        host = remote.rpartition(":")[0]
        self._log.warning((host, reason), "refused %s: %s", remote, error)

    async def _use(self, connection: Connection, proved: Proved, *, dialled: bool) -> None:
        peer = proved.record.node_id
        while (old := self._node.links.get(peer)) is not None and old.closing is None:
            await self._settle(old, proved, dialled=dialled)
        link = Link(
            connection,
            peer=peer,
            session=proved.session,
            dialled=dialled,
            instance=proved.record.instance,
            protocol=proved.protocol,
            peer_protocol=proved.peer_protocol,
            now=self._node.clock.now,
        )
        await self._carry(link)

    async def _settle(self, old: Link, proved: Proved, *, dialled: bool) -> None:
        """Decide between two links. Raises: HandshakeError, where the new one goes."""
        record = proved.record
        lives = await self._lives(old)
        if self._node.links.get(record.node_id) is not old:
            return  # meanwhile things have changed; the caller looks again
        verdict = choose(
            Facts(old.dialled, old.instance, proved_epoch(self._node, old)),
            Facts(dialled, record.instance, record.epoch),
            own_key=self._node.identity.channel_public,
            peer_key=record.channel_key_bytes(),
            old_lives=lives,
        )
        if verdict is Verdict.KEEP:
            old.close("another link took its place", 4005)
            return
        if verdict is Verdict.TWIN:
            raise HandshakeError(f"{record.node_id} runs twice", reason="twin")
        raise HandshakeError(f"there is a link to {record.node_id}", reason="duplicate")

    async def _lives(self, link: Link) -> bool:
        """Ping a link and say whether a byte came in."""
        before = link.frames_in
        self._heartbeat.ping(link)
        with anyio.move_on_after(_PING_WAIT):
            while link.frames_in == before and link.closing is None:
                await anyio.sleep(0.02)
        return link.frames_in > before and link.closing is None

    async def _carry(self, link: Link) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._heartbeat.run, link)
            reason = await self._node.run_link(link)
            tasks.cancel_scope.cancel()
        if self._node.links.get(link.peer) is None:
            self._closed.pop(link.peer, anyio.Event()).set()
        self._membership.touch()
        self._node.logger("mesh").info("link to %s closed: %s", link.peer, reason)


def proved_epoch(node: Node, link: Link) -> int:
    """Return the epoch of the run at the other end of a link."""
    peer = node.directory.get(link.peer)
    if peer is None or peer.record.instance != link.instance:
        return -1
    return peer.record.epoch


async def bind(node: Node, address: str, enter: Callable[..., Awaitable[Listener]]) -> Listener:
    """Listen at an address, for as long as the scope lasts. Raises: StartError."""
    transport = node.transports.get(urlsplit(address).scheme)
    if transport is None:
        raise StartError(f"mesh: no transport for {address}", exit_code=2)
    try:
        return await enter(transport.listen(address))
    except OSError as error:
        taken = "is taken" if error.errno in (48, 98) else f"cannot be bound: {error.strerror}"
        raise StartError(
            f"mesh: {address} {taken} (set [mesh] listen to another address)", exit_code=5
        ) from None
