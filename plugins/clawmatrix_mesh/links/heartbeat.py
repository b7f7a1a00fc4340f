"""The heartbeat of a link: is the other end alive, and how far away is it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from clawmatrix_core.spi import CloseCode
from clawmatrix_mesh.links.flapping import SILENCE

if TYPE_CHECKING:
    from clawmatrix_core import Link, Node
    from clawmatrix_mesh.members.membership import Membership
    from clawmatrix_mesh.members.revoking import Revoking

__all__ = ["JITTER", "MISSED", "Heartbeat", "patience_of"]

JITTER = 0.2
"""By how much of itself the interval varies, so that a mesh does not beat in step."""
MISSED = 2
"""Heartbeats that may pass without a byte before a link is dead."""

_SMOOTHING = 0.25
_LEAST = 0.005
"""Seconds of rest between two looks at a link, so that none is looked at for ever."""


def patience_of(interval: float) -> float:
    """Return the seconds without a byte after which a link is dead."""
    return MISSED * interval * (1 + JITTER)


class Heartbeat:
    """Asks each neighbour for a sign of life, and answers theirs. Any byte counts as one."""

    def __init__(
        self, node: Node, membership: Membership, revoking: Revoking, interval: float
    ) -> None:
        self._node = node
        self._membership = membership
        self._revoking = revoking
        self._interval = interval

    @property
    def patience(self) -> float:
        """Seconds without a byte after which a link is dead."""
        return patience_of(self._interval)

    async def run(self, link: Link) -> None:
        """Beat until the link is dead, then close it."""
        while link.closing is None:
            self.beat(link)
            slowed = link.slowed
            await anyio.sleep(self._rest(link))
            if link.slowed > slowed:
                much = f"more than is read from one link: slowed by {link.slowed - slowed:.1f} s"
                self._node.switch.report(link.peer, "flooding", much)
            silent = self._node.clock.now() - link.last_received
            if silent >= self.patience:
                self._node.counters["missed_heartbeats"] += 1
                link.close(f"{SILENCE} for {silent:.0f} s", CloseCode.DEAD)

    def _rest(self, link: Link) -> float:
        """Return the seconds to the next beat; a link that may be dead by then is looked at first.

        So the other end, which may wait for this one to dial again, knows when that is.
        """
        spread = self._node.random.uniform(-JITTER, JITTER)
        left = link.last_received + self.patience - self._node.clock.now()
        return max(_LEAST, min(self._interval * (1 + spread), left))

    def beat(self, link: Link) -> None:
        """Ask for a sign of life now."""
        payload: dict[str, Any] = {
            "t": self._node.clock.now(),
            "records": self._membership.summary(),
        }
        revoked = self._node.revocations.summary()
        if revoked is not None:
            payload["revoked"] = revoked
        self._node.switch.send_to_neighbour(link, "heartbeat", "", payload)

    def on_heartbeat(self, link: Link, payload: Any) -> None:
        """Answer a neighbour's heartbeat."""
        if isinstance(payload, dict):
            answer = {"t": _time(payload.get("t"))}
            self._node.switch.send_to_neighbour(link, "heartbeat_ack", "", answer)
            self._membership.compare(link, payload.get("records"))
            self._revoking.compare(link, payload.get("revoked"))

    def on_ack(self, link: Link, payload: Any, said_at: float) -> None:
        """Measure the round trip, and how far the neighbour's wall clock is ahead.

        ``said_at`` is what that clock showed as it answered, in seconds since 1970.
        """
        sent = _time(payload.get("t")) if isinstance(payload, dict) else None
        if sent is None:
            return
        rtt = (self._node.clock.now() - sent) * 1000
        if 0 <= rtt < 1e6:  # a number that this node did not write is no measurement
            old = link.rtt
            link.rtt = rtt if old is None else old + _SMOOTHING * (rtt - old)
            link.ahead = said_at + rtt / 2000 - self._node.clock.wall()
            self._membership.own.note_rtt(link)


def _time(value: object) -> float | None:
    """Return a time of some node's clock, None for what cannot be one."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53:
        return value
    return None
