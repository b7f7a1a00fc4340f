"""How much exchanges may hold, and how long they wait."""

from __future__ import annotations

import attrs

from clawmatrix_core.exchange.windows import WINDOW

__all__ = ["ExchangeLimits"]


@attrs.frozen
class ExchangeLimits:
    """Times in seconds, sizes in bytes.

    Attributes:
        window: bytes that wait here unread in each exchange, at most; not below WINDOW, which
            the other end may use before it has heard of another.
        grace: how long a node may have no route before its exchanges fail. Longer than a link
            that died at one end only takes to be noticed at the other, and made again.
        redial: the same where this node itself dials the link that is gone: it has not to wait
            for the heartbeat of another.
        probe_unacked: silence after which a side asks what arrived, while it waits for that.
        probe_idle: silence after which a side asks whether the other is still there.
        lost: silence after which the other side is lost, although it was asked.
        linger: how long a finished exchange's number is remembered, so that a repeat of its
            opening frame is not taken for a new one. Longer than ``lost``, and than a body
            may be late.
        linger_lost: the same for one whose other end was lost here, so that nothing later may
            have come from it: as long as the keys of a session are good.
        ack: for how long the acknowledgement of a last frame waits, so that it goes with an
            answer, or in one frame with others.
        per_peer: exchanges that one node may have open here.
        tick: how often silent exchanges are looked at.
    """

    window: int = attrs.field(default=WINDOW, validator=attrs.validators.ge(WINDOW))
    grace: float = 15.0
    redial: float = 5.0
    probe_unacked: float = 1.0
    probe_idle: float = 10.0
    lost: float = 25.0
    linger: float = 120.0
    linger_lost: float = 3600.0
    ack: float = 0.025
    per_peer: int = 1024
    tick: float = 0.25

    def outlasting(self, seconds: float) -> ExchangeLimits:
        """Return the same, with times long enough for links that take so long to heal."""
        more = max(0.0, seconds - self.grace)
        times = {name: getattr(self, name) + more for name in ("grace", "lost", "linger")}
        return attrs.evolve(self, **times)
