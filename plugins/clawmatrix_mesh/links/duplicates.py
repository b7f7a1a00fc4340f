"""Which of two links between the same two nodes stays. Pure; both ends come to one answer.

A node that has a living link to another says so in its hello, and its new connection is
not used (see ``handshake``). What is left to decide is here: dials that cross, links that
are dead at one end only, and nodes that have started again.
"""

from __future__ import annotations

from enum import Enum

import attrs

__all__ = ["Facts", "Verdict", "choose"]


class Verdict(Enum):
    """What to do with a connection that has just proved itself."""

    KEEP = "keep"
    """Use it; close the older link."""
    REFUSE = "refuse"
    """Close it; the older link stays."""
    TWIN = "twin"
    """Close it: another running copy of that node has the link."""
    ASK = "ask"
    """It depends on whether the older link lives: ping it, and ask again."""


@attrs.frozen
class Facts:
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
) -> Verdict:
    """Decide about a new connection where there is an old link; None: nobody has pinged it.

    A newer run of the other node wins. Of two dials that crossed, the one of the node with
    the smaller key wins. What the other node dialled again wins: it knew of the older link,
    so it has given that up. Else the older link stays, as long as it answers a ping.
    """
    same_run = new.instance == old.instance
    if not same_run and new.epoch > old.epoch:
        return Verdict.KEEP
    if same_run and _is_preferred(old, new, own_key < peer_key):
        return Verdict.KEEP
    if old_lives is None:
        return Verdict.ASK
    if not old_lives:
        return Verdict.KEEP
    return Verdict.REFUSE if same_run else Verdict.TWIN


def _is_preferred(old: Facts, new: Facts, own_is_smaller: bool) -> bool:
    if new.dialled == old.dialled:
        return not new.dialled
    return new.dialled == own_is_smaller
