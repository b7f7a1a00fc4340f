"""How long a link may be dead before it is there again: what exchanges have to outlast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_mesh.links.heartbeat import patience_of

if TYPE_CHECKING:
    from clawmatrix_mesh.links.limits import LinkLimits

__all__ = ["healed_within"]


def healed_within(heartbeat: float, limits: LinkLimits) -> float:
    """Return the seconds in which a link that died is made again, where the way is there.

    One end may know at once that it died, and the other one, which dials, only by its heartbeat.
    Then come the wait before the dial, and the handshake, in which the other end may ask an
    older link for a sign of life.
    """
    return patience_of(heartbeat) + limits.backoff + limits.ping
