"""What each node may have relayed in a second, and who wanted more."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from clawmatrix_core import Bound, RateLimitedLogger
from clawmatrix_core.spi import Rate

if TYPE_CHECKING:
    from clawmatrix_core import Node
    from clawmatrix_core.spi import Flow
    from clawmatrix_relay.config import RelayConfig

__all__ = ["FLOWS", "Quotas"]

FLOWS = Bound(
    1024,
    "pairs of a neighbour and an origin whose relayed frames are counted",
    fed_by="a member",
    when_full="the pair that was quiet for longest is forgotten",
)
_SHOWN = 16
"""Flows that status shows, of those whose frames were dropped: the latest."""


class Quotas:
    """Admits frames for others, within each flow's limit and that of all together."""

    def __init__(self, node: Node, config: RelayConfig) -> None:
        self._now = node.clock.now
        self._config = config
        self._all = Rate(config.frames, config.bytes)
        self._rates: OrderedDict[Flow, Rate] = OrderedDict()
        self._last: Flow | None = None
        self._rate = self._all
        self._dropped: OrderedDict[Flow, int] = OrderedDict()
        self._log = RateLimitedLogger(node.logger("relay"), clock=node.clock.now)

    def __repr__(self) -> str:
        return f"<Quotas of {len(self._rates)} flows, {len(self._dropped)} dropped from>"

    def use(self, config: RelayConfig) -> None:
        """Set other limits, for what comes from now on."""
        self._config = config
        self._all.use(config.frames, config.bytes)
        for rate in self._rates.values():
            rate.use(config.origin_frames, config.origin_bytes)

    def admit(self, flow: Flow, size: int) -> bool:
        """Say whether a frame may pass, as far as its origin's limit goes and the node's."""
        if flow != self._last:
            self._last, self._rate = flow, self._rate_of(flow)
        now = self._now()
        if not self._rate.admit(now, size):
            return False
        if self._all.admit(now, size):
            return True
        self._rate.give_back(size)  # it is dropped, which its origin can do nothing about
        return False

    def _rate_of(self, flow: Flow) -> Rate:
        rate = self._rates.get(flow)
        if rate is None:
            rate = self._rates[flow] = Rate(self._config.origin_frames, self._config.origin_bytes)
            if len(self._rates) > FLOWS:
                self._rates.popitem(last=False)
        else:
            self._rates.move_to_end(flow)
        return rate

    def note(self, flow: Flow, why: str) -> None:
        """Note that a frame was dropped, and name who sent it."""
        self._dropped[flow] = self._dropped.pop(flow, 0) + 1
        if len(self._dropped) > FLOWS:
            self._dropped.popitem(last=False)
        via, origin = flow
        by = "" if via == origin else f" (by way of {via})"
        self._log.warning(flow, "frames of %s%s are dropped: %s", origin, by, why)

    def dropped(self) -> list[dict[str, object]]:
        """Return whose frames were dropped, the latest first, for status."""
        latest = list(reversed(self._dropped.items()))[:_SHOWN]
        return [{"nodeId": o, "via": via, "frames": count} for (via, o), count in latest]
