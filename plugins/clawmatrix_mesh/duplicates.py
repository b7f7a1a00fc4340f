"""Which of two links between the same two nodes stays. Pure; both ends come to one answer."""

from __future__ import annotations

from enum import Enum

import attrs

__all__ = ["Facts", "Verdict", "choose"]


class Verdict(Enum):
    """What to do with a link that has just proved itself."""

    KEEP = "keep"
    """Use it; close the older one, if there is one."""
    REFUSE = "refuse"
    """Close it; the older one stays."""
    TWIN = "twin"
    """Close it: another running copy of that node has the link."""


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


def choose(old: Facts, new: Facts, *, own_key: bytes, peer_key: bytes, old_lives: bool) -> Verdict:
    """Decide about a new link where there is an old one.

    A link to a newer run of the other node wins; else one that fails a ping loses; else the
    one that the node with the smaller key dialled stays. Where one node dialled both, it
    keeps the older one and the other takes the newer: the dialler would not have dialled,
    had it not lost the older one.
    """
    if new.instance != old.instance:
        if new.epoch > old.epoch or not old_lives:
            return Verdict.KEEP
        return Verdict.TWIN
    if not old_lives:
        return Verdict.KEEP
    if new.dialled == old.dialled:
        return Verdict.REFUSE if new.dialled else Verdict.KEEP
    return Verdict.KEEP if new.dialled == (own_key < peer_key) else Verdict.REFUSE
