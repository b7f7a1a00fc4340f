"""Which versions there are, which of them are live, and where they come from."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from clawmatrix_knowledge.versions import ContentId, Version, VersionId

__all__ = ["Graph", "UnknownParent"]

_LEFT: Final = 1
_RIGHT: Final = 2
_STALE: Final = 4
_BOTH: Final = _LEFT | _RIGHT


class UnknownParent(ValueError):
    """A version names a parent that is not there, or that is of another path."""


class Graph:
    """The versions of the files of a workspace. They are added and never taken away."""

    def __init__(self) -> None:
        self._versions: dict[VersionId, Version] = {}
        self._depths: dict[VersionId, int] = {}
        self._replaced: set[VersionId] = set()
        self._by_path: dict[str, list[VersionId]] = {}
        self._live: dict[str, set[VersionId]] = {}
        self._unsettled: set[str] = set()

    def __len__(self) -> int:
        return len(self._versions)

    def __contains__(self, version: object) -> bool:
        return version in self._versions

    def __iter__(self) -> Iterator[Version]:
        return iter(self._versions.values())

    def add(self, version: Version) -> bool:
        """Add a version; False where it is known. Raises: UnknownParent."""
        name = version.id
        if name in self._versions:
            return False
        for parent in version.parents:
            known = self._versions.get(parent)
            if known is None or known.path != version.path:
                raise UnknownParent(f"{version.path}: no version {parent[:12]} is known of it")
        self._versions[name] = version
        self._depths[name] = 1 + max((self._depths[one] for one in version.parents), default=0)
        self._by_path.setdefault(version.path, []).append(name)
        self._replaced.update(version.parents)
        live = self._live.setdefault(version.path, set())
        live.difference_update(version.parents)
        live.add(name)  # its children cannot be known before it is
        self._note(version.path, len(live))
        return True

    def get(self, version: VersionId) -> Version | None:
        """Return a version, None where it is not known."""
        return self._versions.get(version)

    def live(self, path: str) -> Sequence[Version]:
        """Return the live versions of a path, by id. One of a path that is settled."""
        return [self._versions[one] for one in sorted(self._live.get(path, ()))]

    def versions(self, path: str) -> Sequence[Version]:
        """Return all versions of a path, each after its parents."""
        return [self._versions[one] for one in self._by_path.get(path, ())]

    def paths(self) -> Iterable[str]:
        """Return the paths that have versions, those of deleted files too."""
        return self._by_path.keys()

    def unsettled(self) -> Sequence[str]:
        """Return the paths with more than one live version, in order."""
        return sorted(self._unsettled)

    def contents(self, path: str) -> Mapping[ContentId, Sequence[Version]]:
        """Return the contents that a path has or had, and the versions that have them."""
        found: dict[ContentId, list[Version]] = {}
        for version in self.versions(path):
            if version.content is not None:
                found.setdefault(version.content, []).append(version)
        return found

    def common(self, left: Sequence[VersionId], right: Sequence[VersionId]) -> Sequence[Version]:
        """Return the newest versions from which both sides come, by id.

        A version comes from itself. Of several versions on a side, each that came from one of them
        counts. Unknown versions come from nothing.
        """
        marks: dict[VersionId, int] = {}
        waiting: list[tuple[int, VersionId]] = []
        for mark, side in ((_LEFT, left), (_RIGHT, right)):
            for one in side:
                self._mark(one, mark, marks, waiting)
        found: set[VersionId] = set()
        # The deepest come first, so that all marks of a version are there when it is looked at.
        while waiting and not all(marks[one] & _STALE for _, one in waiting):
            _, one = heapq.heappop(waiting)
            mark = marks[one]
            if mark & _BOTH == _BOTH and not mark & _STALE:
                found.add(one)
                mark |= _STALE
            for parent in self._versions[one].parents:
                self._mark(parent, mark, marks, waiting)
        return [self._versions[one] for one in sorted(found) if not marks[one] & _STALE]

    def _mark(
        self,
        one: VersionId,
        mark: int,
        marks: dict[VersionId, int],
        waiting: list[tuple[int, VersionId]],
    ) -> None:
        if one not in self._versions:
            return
        if one not in marks:
            heapq.heappush(waiting, (-self._depths[one], one))
        marks[one] = marks.get(one, 0) | mark

    def _note(self, path: str, live: int) -> None:
        if live > 1:
            self._unsettled.add(path)
        else:
            self._unsettled.discard(path)
