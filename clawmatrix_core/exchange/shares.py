"""Bytes that the exchanges of all peers hold together, and each peer's share of them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from clawmatrix_core.base.bounds import Bound

if TYPE_CHECKING:
    from clawmatrix_core.base.node_id import NodeId

__all__ = ["UNACKED", "UNREAD", "Share", "Shares"]

UNREAD = Bound(
    256 * 1024 * 1024,
    "bytes of all exchanges that have arrived and nobody has read; of one other node at most as"
    " much as is left",
    fed_by="a member",
    when_full="a frame is dropped unless a reader waits for it, and comes again; an exchange is"
    " refused as busy",
)
UNACKED = Bound(
    256 * 1024 * 1024,
    "bytes of all exchanges that were sent and are kept until they are acknowledged; for one other"
    " node at most as much as is left",
    fed_by="a member",
    when_full="one frame of each exchange is kept, and its next one waits",
)


class Share:
    """The bytes that the exchanges with one peer hold.

    Attributes:
        held: how many they are.
    """

    __slots__ = ("__weakref__", "_all", "held")

    def __init__(self, shares: Shares) -> None:
        self.held = 0
        self._all = shares

    def __repr__(self) -> str:
        return f"<Share of {self.held} bytes, {self._all!r}>"

    def admits(self, size: int) -> bool:
        """Say whether so many bytes more leave as much free as the peer then holds."""
        shares = self._all
        return self.held + size <= shares.most - shares.held

    def take(self, size: int) -> bool:
        """Count bytes that are held from now on, where ``admits`` says that they may be."""
        shares = self._all
        if self.held + size > shares.most - shares.held:
            return False
        self.held += size
        shares.held += size
        return True

    def add(self, size: int) -> None:
        """Count bytes that are held from now on; a negative number takes them off."""
        self.held += size
        self._all.held += size


class Shares:
    """The shares of all peers.

    A peer may hold as much as is left for all others. So one alone gets half, and however many
    fill their shares, somebody who comes later gets as much as each of them.

    Attributes:
        most: bytes that all hold together.
        held: bytes that they hold now.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0
        self._shares: WeakValueDictionary[NodeId, Share] = WeakValueDictionary()

    def __repr__(self) -> str:
        return f"<Shares {self.held} of {self.most} bytes>"

    def of(self, peer: NodeId) -> Share:
        """Return the share of a peer, which its exchanges keep."""
        share = self._shares.get(peer)
        if share is None:
            share = self._shares[peer] = Share(self)
        return share
