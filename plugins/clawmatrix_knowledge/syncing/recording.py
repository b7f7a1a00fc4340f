"""Versions of what changed on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_knowledge.versions import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_knowledge.files.measuring import Found
    from clawmatrix_knowledge.files.scanning import Seen
    from clawmatrix_knowledge.index.graph import Graph
    from clawmatrix_knowledge.merging.classes import MergeClasses
    from clawmatrix_knowledge.syncing.local import Local
    from clawmatrix_knowledge.versions import VersionId

__all__ = ["Recorder"]


class Recorder:
    """Makes versions.

    Args:
        graph: the versions that there are.
        local: which of them the files on the disk are.
        classes: says how files merge.
        author: the name of this node.
    """

    def __init__(self, graph: Graph, local: Local, classes: MergeClasses, author: str) -> None:
        self._graph, self._local, self._classes, self._author = graph, local, classes, author

    def of_file(self, path: str, found: Found, now: int) -> tuple[Version, bool]:
        """Return the version that a file is, and whether it is a new one.

        A file that this node knew is an edit of the version that it was, unless its bytes are
        those of a version that came after. One that it did not know is the version
        whose bytes it has, if there is one; a live one before the newest of the others. Else it is
        a new file, which merges with what others have under its name.
        """
        seen = self._local.get(path)
        known = self._known(path, found, seen)
        if known is not None:
            return known, False
        parents = () if seen is None else (seen.version,)
        return self._version(path, found, parents, now), True

    def of_edit(self, path: str, found: Found, parents: Sequence[VersionId], now: int) -> Version:
        """Return the version of an edit that was found in the place of a file to be replaced."""
        return self._version(path, found, parents, now)

    def of_gone(self, path: str, now: int) -> Version | None:
        """Return the version that says that a file was deleted; None where none was known here."""
        seen = self._local.get(path)
        before = None if seen is None else self._graph.get(seen.version)
        if seen is None or before is None:
            return None
        return attrs.evolve(
            before,
            kind="deleted",
            content=None,
            executable=False,
            parents=(seen.version,),
            size=0,
            mtime=0,
            author=self._author,
            time=now,
        )

    def _known(self, path: str, found: Found, seen: Seen | None) -> Version | None:
        same = [one for one in self._graph.versions(path) if _is(one, found)]
        if seen is not None:
            # What a crash left after it was written, and before it was noted.
            same = [one for one in same if self._comes_from(one, seen.version)]
        live = {one.id for one in self._graph.live(path)}
        return next((one for one in same if one.id in live), same[-1] if same else None)

    def _comes_from(self, version: Version, before: VersionId) -> bool:
        common = self._graph.common([version.id], [before])
        return len(common) == 1 and common[0].id == before

    def _version(self, path: str, found: Found, parents: Sequence[VersionId], now: int) -> Version:
        return Version(
            path=path,
            kind="text" if found.text else "binary",
            content=found.content,
            executable=found.stat.executable,
            merge_class=self._classes.of(path, text=found.text),
            parents=tuple(sorted(parents)),
            size=found.stat.size,
            mtime=max(0, found.stat.mtime),
            author=self._author,
            time=now,
        )


def _is(version: Version, found: Found) -> bool:
    return version.content == found.content and version.executable == found.stat.executable
