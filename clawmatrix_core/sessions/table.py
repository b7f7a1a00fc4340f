"""Which sessions a node has: one of each link, those made beside them, and the half-open ones."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.sessions.session import Session

__all__ = ["Kept", "SessionTable"]

_KEPT_PER_PEER = 4
"""Sessions of one peer that still open bodies, beside those in use; half-open ones first go."""
_UNCONFIRMED = 256
"""Sessions, of all peers, whose opener has not yet proved that it is live."""
_CROSSING = 5.0
"""Seconds within which two sessions count as opened by both ends at once."""


@attrs.define
class Kept:
    """A session that opens bodies. ``until`` is when an unconfirmed or old one goes.

    ``psk`` is what it was made with, None for that of a link, which the link answers for.
    ``ours`` says that this node opened it. ``sealed`` and ``opened`` are its counters as the
    last tick found them.
    """

    session: Session
    confirmed: bool
    until: float | None = None
    ours: bool = False
    psk: bytes | None = attrs.field(default=None, repr=False)
    sealed: int = 0
    opened: int = -1


class SessionTable:
    """The sessions by what they are looked up by, and which of a peer's to seal under.

    Attributes:
        links: that of each link's handshake.
        current: the one to use of those made by opening.
        by_id: all that still open bodies.
    """

    def __init__(self) -> None:
        self.links: dict[NodeId, Session] = {}
        self.current: dict[NodeId, Session] = {}
        self.by_id: dict[bytes, Kept] = {}

    def sending(self, peer: NodeId) -> Session | None:
        """Return the session to seal for a peer with, None where there is none yet.

        The later one of its link's and the one made beside that: it has the younger keys, or
        proves that the peer runs anew.
        """
        linked, current = self.links.get(peer), self.current.get(peer)
        if linked is None or current is None:
            return linked or current
        return current if current.created > linked.created else linked

    def sending_on(self, linked: Session) -> Session | None:
        """Return the session to seal with on a link, given that of its handshake."""
        newest = self.sending(linked.peer)
        same_run = newest is not None and newest.remote_instance == linked.remote_instance
        if newest is not None and same_run and newest.created > linked.created:
            return newest
        return linked if linked.usable else None

    def make_room(self, peer: NodeId) -> None:
        """Let the oldest sessions go: of one peer's, and of all that wait to be proved.

        Those of who has most of them go first, so that nobody drives out another's.
        """
        in_use = (self.links.get(peer), self.current.get(peer))
        others = [
            id_
            for id_, kept in self.by_id.items()
            if kept.session.peer == peer and kept.session not in in_use
        ]
        others.sort(key=lambda id_: self.by_id[id_].confirmed)
        for id_ in others[: max(0, len(others) - _KEPT_PER_PEER + 1)]:
            self.drop(id_)
        waiting = [id_ for id_, kept in self.by_id.items() if not kept.confirmed]
        if len(waiting) >= _UNCONFIRMED:
            share = Counter(self.by_id[id_].session.peer for id_ in waiting)
            self.drop(max(waiting, key=lambda id_: share[self.by_id[id_].session.peer]))

    def drop(self, id_: bytes) -> None:
        """Forget a session and its keys."""
        session = self.by_id.pop(id_).session
        for where in (self.links, self.current):
            if where.get(session.peer) is session:
                del where[session.peer]
        session.drop_keys()

    def is_replaced(self, session: Session) -> bool:
        """Return whether both ends have a session that is to be used in its place."""
        newest = self.sending(session.peer)
        if newest is None or newest is session:
            return False
        return newest.window.highest >= 0 or newest is self.links.get(session.peer)

    def prefer(self, new: Kept) -> None:
        """Make a session that both ends have the current one, if it is the better one."""
        peer = new.session.peer
        current = self.current.get(peer)
        if current is None or _is_better(new, self.by_id[current.id]):
            self.current[peer] = new.session


def _is_better(new: Kept, old: Kept) -> bool:
    """Say which of two sessions to seal under: the later one.

    Where both ends opened one at once, each would choose another: then that with the smaller
    id, which is the same at both ends.
    """
    one, other = new.session, old.session
    at_once = new.ours is not old.ours and abs(one.created - other.created) <= _CROSSING
    if at_once and one.remote_instance == other.remote_instance:
        return one.id < other.id
    return one.created >= other.created
