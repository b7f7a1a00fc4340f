"""Dialling addresses, again and again, for as long as they are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core.base.bell import Bell
from clawmatrix_core.base.errors import ConnectionLost, DialError, HandshakeError
from clawmatrix_core.base.log import RateLimitedLogger, redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.sessions.session import Session
    from clawmatrix_mesh.links.connector import Connector
    from clawmatrix_mesh.links.handshake import Proved
    from clawmatrix_mesh.links.limits import LinkLimits

__all__ = ["Attempt", "Dialler"]


@attrs.define
class Attempt:
    """The state of one address that this node dials, for status.

    Attributes:
        address: as configured, but for a password in it.
        node_id: who was there last, None before anybody proved it.
        failures: dials in a row that led to no steady link.
        error: why there is no link, None where there is one or was no reason to complain.
        reason: the same as a short word; empty where there is none for it.
        session: that of the last link that was dialled here.
        scope: what the dialling runs in.
    """

    address: str
    node_id: NodeId | None = None
    failures: int = 0
    error: str | None = None
    reason: str = ""
    session: Session | None = attrs.field(default=None, repr=False)
    scope: anyio.CancelScope = attrs.field(factory=anyio.CancelScope, repr=False)


class Dialler:
    """Keeps a link to the node at each address it is given.

    Attributes:
        attempts: by address.
    """

    def __init__(
        self,
        node: Node,
        connector: Connector,
        *,
        limits: LinkLimits,
        report: Callable[[Exception, str], None],
    ) -> None:
        self.attempts: dict[str, Attempt] = {}
        self._node = node
        self._connector = connector
        self._limits = limits
        self._report = report
        self._hurry = Bell()
        self._log = RateLimitedLogger(node.logger("mesh"), clock=node.clock.now)

    def hurry(self) -> None:
        """Dial now what is waiting to be dialled again: something has changed."""
        self._hurry.ring()

    def add(self, address: str) -> Attempt:
        """Note that an address is wanted; the caller runs ``keep`` with what is returned."""
        attempt = self.attempts[address] = Attempt(redact(address))
        return attempt

    async def keep(self, address: str, attempt: Attempt) -> None:
        """Dial an address whenever there is no link to its node, until cancelled or dropped."""
        with attempt.scope:
            while True:
                wait = await self._try(address, attempt)
                with anyio.move_on_after(wait):
                    await self._hurry.wait()
                await self._until_needed(attempt)

    def drop(self, address: str) -> None:
        """Dial an address no more, and close the link that was dialled there."""
        attempt = self.attempts.pop(address)
        link = self._node.links.get(attempt.node_id) if attempt.node_id else None
        if link is not None and link.session is attempt.session:
            link.close("its address is no longer among the peers")
        attempt.scope.cancel()

    async def _try(self, address: str, attempt: Attempt) -> float:
        """Dial once, and see the link through; return how long to wait."""

        def reached(proved: Proved) -> None:
            attempt.node_id, attempt.error = proved.record.node_id, None
            attempt.session = proved.session

        wait: float | None = None
        steady = False
        try:
            link = await self._connector.dial(address, reached=reached)
            steady = self._node.clock.now() - link.opened > self._limits.steady
        except HandshakeError as error:
            wait = self._refused(attempt, error)
        except (DialError, ConnectionLost) as error:
            self._failed(attempt, getattr(error, "reason", ""), str(error))
        except Exception as error:  # noqa: BLE001 - the next dial may fare better
            attempt.error = str(error) or type(error).__name__
            self._report(error, "dial")
        attempt.failures = 0 if steady else attempt.failures + 1
        return self._backoff(attempt.failures) if wait is None else wait

    def _refused(self, attempt: Attempt, error: HandshakeError) -> float | None:
        if error.reason == "duplicate":
            attempt.error = None  # there is a link: that is all this address is for
            return None
        self._failed(attempt, error.reason, str(error))
        if error.reason not in ("handshake_lost", "busy"):
            self._node.counters[error.reason] += 1
        waits = {"twin": self._limits.twin_wait, "self": self._limits.self_wait}
        return waits.get(error.reason)

    def _failed(self, attempt: Attempt, reason: str, error: str) -> None:
        attempt.error, attempt.reason = error, reason
        self._log.warning((attempt.address, reason), "%s: %s", attempt.address, error)

    def _backoff(self, failures: int) -> float:
        limits = self._limits
        ceiling = min(limits.backoff_most, limits.backoff * 2 ** min(failures, 16))
        return self._node.random.uniform(ceiling / 2, ceiling)

    async def _until_needed(self, attempt: Attempt) -> None:
        """Wait while there is a link to the node, but not for ever: it may have moved."""
        began = self._node.clock.now()
        with anyio.move_on_after(self._limits.recheck * self._node.random.uniform(0.8, 1.2)):
            await self._connector.neighbours.wait_gone(attempt.node_id)
        if self._node.clock.now() - began > self._limits.steady:
            attempt.failures = 0
