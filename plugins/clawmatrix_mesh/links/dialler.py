"""Dialling addresses, again and again, for as long as they are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core import ConnectionLost, DialError, RateLimitedLogger, shown_address
from clawmatrix_core.spi import Bell, HandshakeError, stray
from clawmatrix_mesh.addresses import with_address, without_address
from clawmatrix_mesh.links.own_key import REASON

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Node, NodeId
    from clawmatrix_core.spi import Session
    from clawmatrix_mesh.links.connector import Connector
    from clawmatrix_mesh.links.handshake import Proved
    from clawmatrix_mesh.links.limits import LinkLimits

__all__ = ["DialTarget", "PeerDialler"]


@attrs.define
class DialTarget:
    """An address that this node dials, and how that goes.

    Attributes:
        address: as configured, but for a password in it.
        node_id: the node that was there last, None before one proved itself.
        failures: dials in a row that led to no steady link.
        error: why there is no link, None where there is one or nothing is wrong.
        reason: the same as a short word; empty where there is none for it.
        session: the session of the last link that was dialled here.
        scope: the scope in which the address is dialled.
    """

    address: str
    node_id: NodeId | None = None
    failures: int = 0
    error: str | None = None
    reason: str = ""
    session: Session | None = attrs.field(default=None, repr=False)
    scope: anyio.CancelScope = attrs.field(factory=anyio.CancelScope, repr=False)


class PeerDialler:
    """Keeps a link to the node at each address it is given.

    Attributes:
        targets: by address.
    """

    def __init__(
        self,
        node: Node,
        connector: Connector,
        *,
        limits: LinkLimits,
        report: Callable[[str, Exception, str], None],
        key_refused: Callable[[str], None],
    ) -> None:
        self._key_refused = key_refused
        self.targets: dict[str, DialTarget] = {}
        self._node = node
        self._connector = connector
        self._limits = limits
        self._report = report
        self._hurry = Bell()
        self._log = RateLimitedLogger(node.logger("mesh"), clock=node.clock.now)

    def hurry(self) -> None:
        """Dial now what is waiting to be dialled again: something has changed."""
        self._hurry.ring()

    def add(self, address: str) -> DialTarget:
        """Note that an address is wanted. The caller runs ``keep`` with the target returned."""
        target = self.targets[address] = DialTarget(shown_address(address))
        return target

    async def keep(self, address: str, target: DialTarget) -> None:
        """Dial an address whenever there is no link to its node, until cancelled or dropped."""
        with target.scope:
            while True:
                wait = await self._try(address, target)
                with anyio.move_on_after(wait):
                    await self._hurry.wait()
                await self._until_needed(target)

    def drop(self, address: str) -> None:
        """Dial an address no more, and close the link that was dialled there."""
        target = self.targets.pop(address)
        link = self._node.links.get(target.node_id) if target.node_id else None
        if link is not None and link.session is target.session:
            link.close("its address is no longer among the peers")
        target.scope.cancel()

    async def _try(self, address: str, target: DialTarget) -> float:
        """Dial once, and see the link through; return how long to wait."""

        def reached(proved: Proved) -> None:
            target.node_id, target.error = proved.record.node_id, None
            target.session = proved.session

        wait: float | None = None
        steady = False
        try:
            link = await self._connector.dial(address, reached=reached)
            steady = self._node.clock.now() - link.opened > self._limits.steady
        except HandshakeError as error:
            wait = self._note_refused(target, error)
        except (DialError, ConnectionLost) as error:
            reason = getattr(error, "reason", "")
            self._note_failed(target, reason, without_address(error, address))
        except BaseException as error:  # the next dial may fare better
            if (fault := stray(error)) is None:
                raise
            target.error = without_address(fault, address) or type(fault).__name__
            self._report(address, fault, "dial")
        target.failures = 0 if steady else target.failures + 1
        return self._backoff(target.failures) if wait is None else wait

    def _note_refused(self, target: DialTarget, error: HandshakeError) -> float | None:
        """Note a refused dial; return how long to wait, None for the usual back-off."""
        if error.reason == "duplicate":
            target.error = None  # there is a link, and the address is for nothing else
            return None
        self._note_failed(target, error.reason, str(error))
        if error.reason == REASON:
            self._key_refused(target.node_id or target.address)
        if error.reason not in ("handshake_lost", "busy"):
            self._node.counters[error.reason] += 1
        waits = {"twin": self._limits.twin_wait, "self": self._limits.self_wait}
        return waits.get(error.reason)

    def _note_failed(self, target: DialTarget, reason: str, error: str) -> None:
        # A transport of a plugin may have put the address in its text.
        target.error, target.reason = error, reason
        if reason == REASON:
            return  # it is told with what to do
        told = with_address(target.address, error)
        self._log.warning((target.address, reason), "%s", told)

    def _backoff(self, failures: int) -> float:
        limits = self._limits
        ceiling = min(limits.backoff_most, limits.backoff * 2 ** min(failures, 16))
        return self._node.random.uniform(ceiling / 2, ceiling)

    async def _until_needed(self, target: DialTarget) -> None:
        """Wait while there is a link to the node, but not for ever: it may have moved."""
        began = self._node.clock.now()
        with anyio.move_on_after(self._limits.recheck * self._node.random.uniform(0.8, 1.2)):
            await self._connector.neighbours.wait_gone(target.node_id)
        if self._node.clock.now() - began > self._limits.steady:
            target.failures = 0
