"""Nodes that know another key under this node's name, and so refuse its own."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_core import Bound, NodeId, RateLimitedLogger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import Node

__all__ = ["REASON", "REMEMBERED", "KeyRefusal", "OwnKey"]

REASON = "key_refused"
"""The reason by which it is counted that this node's key is refused."""
REMEMBERED = Bound(
    64,
    "nodes and addresses that refused this node's key",
    fed_by="a member",
    when_full="the one that refused it the longest ago is forgotten",
)
_RECENT = 900.0
_STEADY = 10.0
"""Seconds for which a link has to hold until its node is taken to know this key."""


class KeyRefusal(msgspec.Struct):
    """A node that refuses this node's key.

    Attributes:
        who: its name, or the address where nobody proved a name.
        last: when it did so last, in seconds since 1970.
        count: how often.
    """

    who: str
    last: float
    count: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as the status has it."""
        return {"who": self.who, "last": int(self.last * 1000), "count": self.count}


class OwnKey:
    """Remembers who refuses this node's key: its state was lost, or theirs is of another node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._refusals: OrderedDict[str, KeyRefusal] = OrderedDict()
        self._log = RateLimitedLogger(node.logger("mesh"), clock=node.clock.now)

    def __len__(self) -> int:
        return len(self._refusals)

    def refused(self, who: str) -> None:
        """Note that somebody knows another key under this node's name."""
        now = self._node.clock.wall()
        one = self._refusals.setdefault(who, KeyRefusal(who, now))
        one.last, one.count = now, one.count + 1
        self._refusals.move_to_end(who)
        if len(self._refusals) > REMEMBERED:
            self._refusals.popitem(last=False)
        told = "%s knows another key under this node's name: was this node's state lost? There:"
        self._log.warning((REASON, who), told + " %s", who, self.remedy)

    @property
    def remedy(self) -> str:
        """The command that lets this node in again, where it is given at the other node."""
        return f"clawmatrix trust accept {self._node.id} {self._node.identity.fingerprint}"

    def latest(self) -> Iterator[KeyRefusal]:
        """Yield those that refused it lately and have no steady link since, the latest first."""
        node = self._node
        for one in reversed(self._refusals.values()):
            link = node.links.get(NodeId(one.who))
            steady = link is not None and node.clock.now() - link.opened > _STEADY
            if node.clock.wall() - one.last < _RECENT and not steady:
                yield one
