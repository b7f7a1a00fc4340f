"""Which sessions a node has: one of each link, those made beside them, and the half-open ones."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.base.errors import LocalProtocolError
from clawmatrix_core.sessions.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.wire.link import LinkSession

__all__ = ["KEPT_PER_PEER", "UNCONFIRMED", "Kept", "SessionTable"]

KEPT_PER_PEER = Bound(
    4,
    "sessions of one other node that still open bodies, beside those in use",
    fed_by="a member",
    when_full="its oldest goes, half-open ones first",
)
UNCONFIRMED = Bound(
    256,
    "sessions of all other nodes whose opener has not proved that it is live",
    fed_by="a member",
    when_full="one of the node that has the most goes",
)
_CROSSING = 5.0
"""Seconds within which two sessions count as opened by both ends at once."""


@attrs.define
class Kept:
    """A session that opens bodies.

    Attributes:
        session: the session.
        confirmed: both ends have the keys.
        until: when an unconfirmed or a replaced session goes, None for not yet.
        ours: this node opened it.
        psk: the secret of the mesh it was made with; None for a link's, which the link answers for.
        sealed, opened: the session's counters as the last tick found them.
    """

    session: Session
    confirmed: bool
    until: float | None = None
    ours: bool = False
    psk: bytes | None = attrs.field(default=None, repr=False)
    sealed: int = 0
    opened: int = -1

    def confirm(self) -> None:
        """Note that the other end has proved that it has the keys."""
        self.confirmed = True
        self.until = None

    def note_use(self) -> None:
        """Note how far the session was used by this tick."""
        self.sealed, self.opened = self.session.sealed, self.session.window.highest


class SessionTable:
    """All sessions of a node, by peer and by id, and the choice of the one to seal under."""

    def __init__(self) -> None:
        self._links: dict[NodeId, Session] = {}  # that of each link's handshake
        self._current: dict[NodeId, Session] = {}  # the one to use of those made by opening
        self._by_id: dict[bytes, Kept] = {}  # all that still open bodies

    def __repr__(self) -> str:
        return f"{len(self._links)} links, {len(self._current)} others"

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Kept]:
        return iter(self._by_id.values())

    def get(self, id_: bytes) -> Kept | None:
        """Return the session with an id, None where there is none."""
        return self._by_id.get(id_)

    def peers(self) -> tuple[NodeId, ...]:
        """Return the peers that there is a session to seal with."""
        return tuple({**self._links, **self._current})

    # --- which one to seal under

    def sending(self, peer: NodeId) -> Session | None:
        """Return the session to seal for a peer with, None where there is none yet.

        The later one of its link's and the one made beside that: it has the younger keys, or
        proves that the peer runs anew.
        """
        linked, current = self._links.get(peer), self._current.get(peer)
        if linked is None or current is None:
            return linked or current
        return current if current.created > linked.created else linked

    def sending_on(self, linked: LinkSession) -> LinkSession | None:
        """Return the session to seal with on a link, given that of its handshake."""
        newest = self.sending(linked.peer)
        if (
            newest is not None
            and _are_of_one_run(newest, linked)
            and newest.created > linked.created
        ):
            return newest
        return linked if linked.usable else None

    def seals_with_its_own(self, peer: NodeId) -> bool:
        """Say whether bodies for a peer are sealed under a session that no link brought."""
        current = self._current.get(peer)
        return current is not None and current is self.sending(peer)

    def is_used(self, session: Session) -> bool:
        """Say whether something was sealed under a session since the last tick."""
        return session.sealed > self._by_id[session.id].sealed

    def is_replaced(self, session: Session) -> bool:
        """Say whether both ends have a session that is to be used in place of this one."""
        newest = self.sending(session.peer)
        if newest is None or newest is session:
            return False
        return newest.window.highest >= 0 or newest is self._links.get(session.peer)

    def prefer(self, new: Kept) -> None:
        """Make a session that both ends have the current one, if it is the better one."""
        peer = new.session.peer
        current = self._current.get(peer)
        if current is None or _is_better(new, self._by_id[current.id]):
            self._current[peer] = new.session

    def fall_back(self, peer: NodeId) -> None:
        """Make the latest session that is left of a peer's the current one."""
        linked = self._links.get(peer)
        for kept in self:
            session = kept.session
            if session.peer == peer and session is not linked and kept.confirmed:
                self._current[peer] = session

    # --- adding

    def add(self, kept: Kept) -> None:
        """Add a session that a handshake made; the oldest ones go where there are too many.

        The peer with the most of them loses one first, so that no peer drives out another's.
        """
        self._make_room(kept.session.peer)
        self._by_id[kept.session.id] = kept

    def _make_room(self, peer: NodeId) -> None:
        in_use = (self._links.get(peer), self._current.get(peer))
        others = [kept for kept in self if kept.session.peer == peer and kept.session not in in_use]
        others.sort(key=lambda kept: kept.confirmed)
        for kept in others[: max(0, len(others) - KEPT_PER_PEER + 1)]:
            self.drop(kept.session)
        waiting = [kept.session for kept in self if not kept.confirmed]
        if len(waiting) >= UNCONFIRMED:
            share = Counter(session.peer for session in waiting)
            self.drop(max(waiting, key=lambda session: share[session.peer]))

    def add_link(self, linked: LinkSession) -> None:
        """Add the session of a link. Raises: LocalProtocolError, for any other object."""
        if not isinstance(linked, Session):
            raise LocalProtocolError(f"a link's session is a Session, not {type(linked).__name__}")
        self._links[linked.peer] = linked
        self._by_id[linked.id] = Kept(linked, confirmed=True)

    # --- dropping

    def remove_link(self, linked: LinkSession, *, until: float) -> None:
        """Seal no more under the session of a link, and drop it at a time."""
        if self._links.get(linked.peer) is linked:
            del self._links[linked.peer]
        kept = self._by_id.get(linked.id)
        if kept is not None:
            kept.until = until

    def drop(self, session: Session) -> None:
        """Forget a session and its keys."""
        del self._by_id[session.id]
        for where in (self._links, self._current):
            if where.get(session.peer) is session:
                del where[session.peer]
        session.drop_keys()

    def drop_where(self, condition: Callable[[Kept], bool]) -> None:
        """Forget the sessions that a condition holds for."""
        for kept in tuple(self):
            if condition(kept):
                self.drop(kept.session)


def _are_of_one_run(one: LinkSession, other: LinkSession) -> bool:
    return (one.remote_instance, one.peer_key) == (other.remote_instance, other.peer_key)


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
