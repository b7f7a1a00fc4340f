"""Who may open how many sessions: what a node looks at before it works on an opening."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from clawmatrix_core.base.errors import HandshakeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.base.node_id import NodeId

__all__ = ["BURST", "RATE", "Doorkeeper"]

RATE = 2.0
"""Sessions a second that one node may open, in the long run, unless configured otherwise."""
BURST = 32
"""Sessions that it may open at once, after a time in which it opened none."""

_REMEMBERED = 64
"""Openings of each node that are known again when they come once more."""
_KEY = 32
"""Bytes at the beginning of an opening that no honest node ever writes twice."""


class _Origin(msgspec.Struct):
    """What one node may still do, and what it did lately."""

    tokens: float
    at: float
    seen: deque[bytes] = msgspec.field(default_factory=lambda: deque(maxlen=_REMEMBERED))


class Doorkeeper:
    """Counts the openings of each node that were really its own.

    Only what authenticates is counted: whoever writes another's name on rubbish takes nothing
    from that node. What it captured of another's true openings is known again.
    """

    def __init__(self, now: Callable[[], float], rate: float = RATE) -> None:
        self._now = now
        self._rate = rate
        self._origins: dict[NodeId, _Origin] = {}

    def __len__(self) -> int:
        return len(self._origins)

    def check(self, origin: NodeId, opening: bytes) -> None:
        """Look at an opening before the work is done. Raises: HandshakeError."""
        known = self._origins.get(origin)
        if known is None:
            return
        if opening[:_KEY] in known.seen:
            raise HandshakeError(f"an opening of {origin} once more", reason="session_repeat")
        if self._refilled(known) < 1:
            raise HandshakeError(f"{origin} opens too many sessions", reason="session_rate")

    def passed(self, origin: NodeId, opening: bytes) -> None:
        """Note an opening that has authenticated."""
        now = self._now()
        known = self._origins.setdefault(origin, _Origin(BURST, now))
        known.tokens, known.at = self._refilled(known) - 1, now
        known.seen.append(opening[:_KEY])

    def tick(self) -> None:
        """Forget who has not opened a session for so long that it may open them all."""
        for origin, known in list(self._origins.items()):
            if self._refilled(known) >= BURST:
                del self._origins[origin]

    def _refilled(self, known: _Origin) -> float:
        return min(BURST, known.tokens + (self._now() - known.at) * self._rate)
