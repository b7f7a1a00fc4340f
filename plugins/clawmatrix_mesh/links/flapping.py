"""Links that open and close again and again, with the reasons."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_core import Bound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import NodeId

__all__ = ["OFTEN", "REMEMBERED", "SILENCE", "WINDOW", "Flap", "Flaps"]

OFTEN = 4
"""Closed links to one node within the window that are worth a word."""
WINDOW = 900.0
"""Seconds for which a link that closed counts."""
SILENCE = "no sign of life"
"""How the reason begins where a link was closed because nothing came any more."""
REMEMBERED = Bound(
    256,
    "nodes whose closed links are remembered, 32 for each",
    fed_by="a member",
    when_full="the node whose link closed the longest ago is forgotten",
)

_EACH = 32
_REASON_LENGTH = 120
_REASONS_SHOWN = 3


class Flap(msgspec.Struct, frozen=True):
    """A node whose link opened and closed often.

    Attributes:
        node_id: the node.
        count: how often its link closed within the window.
        reasons: how often each reason was given.
    """

    node_id: NodeId
    count: int
    reasons: dict[str, int]

    def __str__(self) -> str:
        most = Counter(self.reasons).most_common(_REASONS_SHOWN)
        why = "; ".join(f"{reason} ({times})" for reason, times in most)
        minutes = f"{WINDOW / 60:.0f} min"
        return f"the link to {self.node_id} closed {self.count} times within {minutes}: {why}"

    @property
    def is_silent(self) -> bool:
        """Whether it closed because nothing came any more, most of the time."""
        silent = sum(times for reason, times in self.reasons.items() if SILENCE in reason)
        return silent * 2 > self.count

    def to_json(self) -> dict[str, Any]:
        """Return it as the status has it."""
        return {"nodeId": self.node_id, "count": self.count, "reasons": self.reasons}


class Flaps:
    """Counts closed links by node. Times are wall-clock seconds."""

    def __init__(self) -> None:
        self._closed: OrderedDict[NodeId, deque[tuple[float, str]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._closed)

    def note(self, node_id: NodeId, reason: str, now: float) -> Flap | None:
        """Count a link that closed; return what to say each time the count has doubled."""
        closed = self._closed.setdefault(node_id, deque(maxlen=_EACH))
        self._closed.move_to_end(node_id)
        closed.append((now, reason[:_REASON_LENGTH]))
        if len(self._closed) > REMEMBERED:
            self._closed.popitem(last=False)
        found = _recent(node_id, closed, now)
        doubled = found.count >= OFTEN and found.count.bit_count() == 1
        return found if doubled else None

    def latest(self, now: float) -> Iterator[Flap]:
        """Yield the nodes whose links closed often, by name."""
        for node_id, closed in sorted(self._closed.items()):
            found = _recent(node_id, closed, now)
            if found.count >= OFTEN:
                yield found


def _recent(node_id: NodeId, closed: deque[tuple[float, str]], now: float) -> Flap:
    reasons = Counter(reason for at, reason in closed if now - at < WINDOW)
    return Flap(node_id, reasons.total(), dict(reasons.most_common()))
