"""Looks at changes from elsewhere before the library does.

The verdict depends on the change and on those before it alone: not on what else is here, on a
clock, or on the configuration. So nodes that pass on what others made are never blamed for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_knowledge.index.ancestry import ChangeOrder
from clawmatrix_knowledge.index.changes import BASE_ACTOR, BASE_HASH
from clawmatrix_knowledge.index.format import read_entry
from clawmatrix_knowledge.index.numbers import MalformedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_knowledge.index.changes import Change
    from clawmatrix_knowledge.versions import Version, VersionId

__all__ = ["Gate", "MalformedError"]


class Gate:
    """Knows the changes of a document, and says of the next one whether it fits."""

    def __init__(self) -> None:
        self._order = ChangeOrder()
        self._order.add(BASE_HASH, ())
        self._last = {BASE_HASH: 1}
        self._by_actor: dict[tuple[bytes, int], bytes] = {}
        self._where: dict[VersionId, list[int]] = {}
        self._paths: dict[VersionId, str] = {}

    def __contains__(self, change: object) -> bool:
        return change in self._order

    def __len__(self) -> int:
        return len(self._order)

    def lacks(self, change: Change) -> Sequence[bytes]:
        """Return the changes that have to be here before a change can be looked at."""
        return [one for one in change.dependencies if one not in self._order]

    def admit(self, change: Change) -> Sequence[Version]:
        """Take a change that lacks nothing; return its versions.

        Raises: MalformedError, where it does not fit; nothing of it is kept then.
        """
        before = self._order.set_of(map(self._order.number, change.dependencies))
        self._check_numbers(change, before)
        versions = [read_entry(key, text) for key, text in change.entries]
        self._check_versions(versions, before)
        number = self._order.add(change.hash, change.dependencies)
        self._last[change.hash] = change.last
        self._by_actor[change.actor, change.seq] = change.hash
        for version in versions:
            self._where.setdefault(version.id, []).append(number)
            self._paths[version.id] = version.path
        return versions

    def _check_numbers(self, change: Change, before: int) -> None:
        start = 1 + max(self._last[one] for one in change.dependencies)
        if change.start != start:
            raise MalformedError(f"a change begins at {change.start} in the place of {start}")
        if change.actor == BASE_ACTOR:
            raise MalformedError("a change is by the one who made the map")
        if change.seq > 1:
            own = self._by_actor.get((change.actor, change.seq - 1))
            if own is None or not before >> self._order.number(own) & 1:
                raise MalformedError("a change does not come after the last one of its actor")
        # Whoever sees two changes of one number refuses the second one, whichever came first; only
        # a liar makes them.
        if (change.actor, change.seq) in self._by_actor:
            raise MalformedError("two changes have one number of one actor")

    def _check_versions(self, versions: Sequence[Version], before: int) -> None:
        here: dict[VersionId, str] = {}
        for version in versions:
            if self._is_before(version.id, before):
                raise MalformedError(f"{version.path}: a version is written a second time")
            for parent in version.parents:
                known = self._paths[parent] if self._is_before(parent, before) else None
                if here.get(parent, known) != version.path:
                    raise MalformedError(f"{version.path}: a version replaces one not before it")
            here[version.id] = version.path

    def _is_before(self, version: VersionId, before: int) -> bool:
        return any(before >> number & 1 for number in self._where.get(version, ()))
