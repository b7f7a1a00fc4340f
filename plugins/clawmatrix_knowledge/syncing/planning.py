"""What is to be done for the disk to have what the index says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from clawmatrix_knowledge.index.graph import Graph
    from clawmatrix_knowledge.files.scanning import Seen
    from clawmatrix_knowledge.syncing.local import Local
    from clawmatrix_knowledge.versions import Version

__all__ = ["Plan", "Step", "StepKind", "planned"]

StepKind: TypeAlias = Literal["write", "delete", "adopt", "forget"]


@attrs.frozen
class Step:
    """One file to bring to its live version.

    Attributes:
        kind: ``write`` its bytes, ``delete`` it, ``adopt`` what is there already, or ``forget`` a
            file that is gone as it should be.
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


def planned(
    graph: Graph, local: Local, paths: Iterable[str], wanted: Callable[[str], bool]
) -> Plan:
    """Return what is to be done for some paths.

    Args:
        graph: the versions.
        local: the files on the disk.
        paths: which files to look at.
        wanted: says whether a path takes part here; what does not is left as it is.
    """
    steps: list[Step] = []
    unsettled: list[str] = []
    clashes: list[Version] = []
    folders = _folders(graph)
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


def _folders(graph: Graph) -> set[str]:
    """Return the paths that are folders, as live files are below them."""
    found: set[str] = set()
    for path in graph.paths():
        if any(version.content is not None for version in graph.live(path)):
            while "/" in path:
                path = path.rpartition("/")[0]
                if path in found:
                    break
                found.add(path)
    return found
