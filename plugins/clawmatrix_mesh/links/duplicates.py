"""Which of two links between the same two nodes stays. Pure; both ends come to one answer.

A node that has a living link to another says so in its hello, and its new connection is
not used (see ``handshake``). What is left to decide is here: dials that cross, links that
are dead at one end only, and nodes that have started again.
"""

from __future__ import annotations

from enum import Enum

import msgspec

__all__ = ["Facts", "LinkChoice", "choose"]


class LinkChoice(Enum):
    """What becomes of a connection that has just proved itself, beside an older link."""

    NEW = "new"
    """The connection becomes the link, and the older link is closed."""
    OLD = "old"
    """The connection is closed, and the older link stays."""
    TWIN = "twin"
    """The connection is closed: another running copy of that node has the older link."""
    PING = "ping"
    """It depends on whether the older link lives: ping it, and choose again."""


class Facts(msgspec.Struct, frozen=True):
    """What is compared of a link.

    Attributes:
        dialled: whether this node dialled it.
        instance: which run of the other node is at its end.
        epoch: that run's number.
    """

    dialled: bool
    instance: str
    epoch: int


def choose(
    old: Facts, new: Facts, *, own_key: bytes, peer_key: bytes, old_lives: bool | None = None
) -> LinkChoice:
    """Decide about a new connection where there is an old link; None: nobody has pinged it.

    A newer run of the other node wins. Of two dials that crossed, the one of the node with
    the smaller key wins. What the other node dialled again wins: it knew of the older link,
    so it has given that up. Else the older link stays, as long as it answers a ping.
    """
    same_run = new.instance == old.instance
    if not same_run and new.epoch > old.epoch:
        return LinkChoice.NEW
    if same_run and _is_preferred(old, new, own_key < peer_key):
        return LinkChoice.NEW
    if old_lives is None:
        return LinkChoice.PING
    if not old_lives:
        return LinkChoice.NEW
    return LinkChoice.OLD if same_run else LinkChoice.TWIN


def _is_preferred(old: Facts, new: Facts, own_is_smaller: bool) -> bool:
    if new.dialled == old.dialled:
        return not new.dialled
    return new.dialled == own_is_smaller
