"""Versions of what changed on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_knowledge.versions import ContentId, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_knowledge.index.graph import Graph
    from clawmatrix_knowledge.merging.classes import MergeClasses
    from clawmatrix_knowledge.syncing.local import Local, Seen

__all__ = ["Found", "Recorder"]


@attrs.frozen
class Found:
    """A file as it was read from the disk.

    Attributes:
        path: where it is.
        content: the id of its bytes.
        text: whether it is text that can be merged.
        executable: whether it may be run.
        size: bytes.
        mtime: when it changed, nanoseconds since 1970.
    """

    path: str
    content: ContentId
    text: bool
    executable: bool
    size: int
    mtime: int


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

    def of_file(self, found: Found, now: int) -> tuple[Version, bool]:
        """Return the version that a file is, and whether it is a new one.

        A file that this node knew is an edit of the version that it was. One that it did not know
        is the version whose bytes it has, if there is one; the newest of these where there are
        several. Else it is a new file, which merges with what others have under its name.
        """
        seen = self._local.get(found.path)
        known = self._known(found, seen)
        if known is not None:
            return known, False
        parents = () if seen is None else (seen.version,)
        return self._version(found, parents, now), True

    def of_edit(self, found: Found, before: Seen | None, now: int) -> Version:
        """Return the version of an edit that was found in the place of a file to be replaced."""
        return self._version(found, () if before is None else (before.version,), now)

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

    def _known(self, found: Found, seen: Seen | None) -> Version | None:
        if seen is not None:
            version = self._graph.get(seen.version)
            return version if version is not None and _is(version, found) else None
        live = [one for one in self._graph.live(found.path) if _is(one, found)]
        if live:
            return live[0]
        earlier = [one for one in self._graph.versions(found.path) if _is(one, found)]
        return earlier[-1] if earlier else None

    def _version(self, found: Found, parents: Sequence[str], now: int) -> Version:
        return Version(
            path=found.path,
            kind="text" if found.text else "binary",
            content=found.content,
            executable=found.executable,
            merge_class=self._classes.of(found.path, text=found.text),
            parents=tuple(sorted(parents)),  # type: ignore[arg-type]
            size=found.size,
            mtime=max(0, found.mtime),
            author=self._author,
            time=now,
        )


def _is(version: Version, found: Found) -> bool:
    return version.content == found.content and version.executable == found.executable
