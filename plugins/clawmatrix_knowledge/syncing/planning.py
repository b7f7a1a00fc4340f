"""What is to be done for the disk to have what the index says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from clawmatrix_knowledge.files.scanning import Seen
    from clawmatrix_knowledge.index.graph import Graph
    from clawmatrix_knowledge.syncing.local import Local
    from clawmatrix_knowledge.versions import Version

__all__ = ["Folders", "Plan", "Step", "StepKind", "planned"]

StepKind: TypeAlias = Literal["write", "delete", "adopt"]


@attrs.frozen
class Step:
    """One file to bring to its live version.

    Attributes:
        kind: ``write`` its bytes, ``delete`` it, or ``adopt`` what is there already.
        version: what it is to be.
        before: what it is, None where there is no file.
    """

    kind: StepKind
    version: Version
    before: Seen | None

    @property
    def path(self) -> str:
        """The file."""
        return self.version.path


@attrs.frozen
class Plan:
    """What is to be done.

    Attributes:
        steps: what can be done now, deletions first, so that folders make room for files.
        unsettled: paths whose live versions have to be merged first.
        clashes: files at whose path there is a folder with live files.
    """

    steps: Sequence[Step]
    unsettled: Sequence[str]
    clashes: Sequence[Version]


class Folders:
    """The paths that are folders, as live files are below them.

    Args:
        graph: the versions.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._files: set[str] = set()
        self._counts: dict[str, int] = {}
        self.update(graph.paths())

    def __contains__(self, path: object) -> bool:
        return path in self._counts

    def update(self, paths: Iterable[str]) -> None:
        """Look again at paths whose versions may have changed."""
        for path in paths:
            is_file = any(one.content is not None for one in self._graph.live(path))
            if is_file == (path in self._files):
                continue
            (self._files.add if is_file else self._files.discard)(path)
            self._count(path, 1 if is_file else -1)

    def _count(self, path: str, more: int) -> None:
        while "/" in path:
            path = path.rpartition("/")[0]
            count = self._counts.get(path, 0) + more
            if count:
                self._counts[path] = count
            else:
                self._counts.pop(path, None)


def planned(
    graph: Graph,
    folders: Folders,
    local: Local,
    paths: Iterable[str],
    wanted: Callable[[str], bool],
) -> Plan:
    """Return what is to be done for some paths.

    Args:
        graph: the versions.
        folders: the paths that are folders.
        local: the files on the disk.
        paths: which files to look at.
        wanted: says whether a path takes part here; what does not is left as it is.
    """
    steps: list[Step] = []
    unsettled: list[str] = []
    clashes: list[Version] = []
    for path in sorted(set(paths)):
        live = graph.live(path)
        if not live or not wanted(path):
            continue
        if len(live) > 1:
            unsettled.append(path)
            continue
        (version,) = live
        if version.content is not None and path in folders:
            clashes.append(version)
            continue
        step = _step(version, local.get(path))
        if step is not None:
            steps.append(step)
    steps.sort(key=lambda step: step.kind == "write")
    return Plan(steps, unsettled, clashes)


def _step(version: Version, seen: Seen | None) -> Step | None:
    if seen is not None and seen.version == version.id:
        return None
    if version.content is None:
        return None if seen is None else Step("delete", version, seen)
    if (
        seen is not None
        and seen.content == version.content
        and seen.stat.executable == version.executable
    ):
        return Step("adopt", version, seen)
    return Step("write", version, seen)
