"""Who gives way, where the directory has no place for one more member or its links."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.members.directory import Directory
    from clawmatrix_core.members.record import NodeRecord

__all__ = ["Room"]

_VOUCHES = 1024
"""Links of a member that are not too many to speak for the nodes at their other ends."""
_LOOK = 1.0
"""Seconds between two looks through the whole directory, since each record may ask for one."""


class Room:
    """Makes room in a directory. Members that this node can reach stay.

    ``heard`` has the nodes that were ever heard here, ``is_reachable`` says whether there is a
    way to a node.
    """

    def __init__(
        self,
        directory: Directory,
        now: Callable[[], float],
        heard: Mapping[NodeId, float],
        is_reachable: Callable[[NodeId], bool],
    ) -> None:
        self._directory = directory
        self._heard = heard
        self._is_reachable = is_reachable
        self._silent = _Spare(now, self._others, self._is_silent)
        self._away = _Spare(now, self._others_with_links, self._is_away)
        self._gone = _Spare(now, self._others, self._is_away)

    def for_member(self, newcomer: NodeRecord) -> bool:
        """Forget a member for another one, where hearsay has filled the directory.

        The newcomer has a link to a member that this node has heard, and that member says so
        too; the one forgotten is neither heard nor to be reached. A member that made up the
        others can vouch for few of them.
        """
        known = (self._directory.get(name) for name in newcomer.links if name in self._heard)
        told = (peer.record.links for peer in known if peer is not None)
        if not any(newcomer.node_id in links and len(links) <= _VOUCHES for links in told):
            return False
        return self._forget(self._silent.take())

    def for_proved(self) -> bool:
        """Forget a member that cannot be reached for one that has proved itself."""
        return self._forget(self._silent.take() or self._gone.take())

    def _forget(self, name: NodeId | None) -> bool:
        if name is not None:
            self._directory.forget(name)
        return name is not None

    def for_links(self, wanted: int) -> None:
        """Forget members that cannot be reached, until they and this many links are gone."""
        while wanted > 0:
            name = self._away.take()
            peer = None if name is None else self._directory.get(name)
            if peer is None:
                return
            self._directory.forget(peer.node_id)
            wanted -= len(peer.record.links)

    def _is_silent(self, name: NodeId) -> bool:
        return name not in self._heard and self._is_away(name)

    def _is_away(self, name: NodeId) -> bool:
        known = self._directory.get(name) is not None
        return known and not self._directory.is_own(name) and not self._is_reachable(name)

    def _others(self) -> Iterable[NodeId]:
        return (peer.node_id for peer in self._directory.others())

    def _others_with_links(self) -> Iterable[NodeId]:
        peers = sorted(self._directory.others(), key=lambda peer: -len(peer.record.links))
        return (peer.node_id for peer in peers if peer.record.links)


class _Spare:
    """Names that can go, found by one look at all of them for many that are asked for."""

    def __init__(
        self,
        now: Callable[[], float],
        look: Callable[[], Iterable[NodeId]],
        may_go: Callable[[NodeId], bool],
    ) -> None:
        self._now = now
        self._look = look
        self._may_go = may_go
        self._found: list[NodeId] = []
        self._looked = float("-inf")

    def take(self) -> NodeId | None:
        """Return the next name; None where there is none, or it is too early to look again."""
        if not self._found and self._now() - self._looked >= _LOOK:
            self._looked = self._now()
            self._found = [name for name in self._look() if self._may_go(name)]
            self._found.reverse()
        while self._found:
            name = self._found.pop()
            if self._may_go(name):
                return name
        return None
