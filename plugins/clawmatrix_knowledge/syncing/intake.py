"""From what a scan found to versions in the index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_knowledge.files.gathering import read_whole_files
from clawmatrix_knowledge.files.locating import Hindered
from clawmatrix_knowledge.files.measuring import copy_start
from clawmatrix_knowledge.files.scanning import Seen
from clawmatrix_knowledge.ids import content_id
from clawmatrix_knowledge.syncing.ground import ToKeep
from clawmatrix_knowledge.syncing.halts import TooMany
from clawmatrix_knowledge.syncing.local import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clawmatrix_knowledge.files.measuring import Found
    from clawmatrix_knowledge.files.scanning import Scan
    from clawmatrix_knowledge.syncing.ground import Ground
    from clawmatrix_knowledge.syncing.halts import Deletions
    from clawmatrix_knowledge.versions import Version

__all__ = ["Intake"]

_BATCH: Final = 500
_BYTES: Final = 32 * 1024**2
"""Bytes of texts that are read before they are kept."""


@attrs.frozen
class _New:
    version: Version
    found: Found


class Intake:
    """Records what changed on the disk.

    Args:
        ground: the workspace.
        deletions: counts what is deleted.
    """

    def __init__(self, ground: Ground, deletions: Deletions) -> None:
        self._ground, self._deletions = ground, deletions

    async def take_start(self, path: str) -> Version | None:
        """Record the whole lines that a file has, while a program goes on adding to it."""
        ground = self._ground
        try:
            copied = await copy_start(ground.tree, path)
        except Hindered:
            return None
        if copied is None:
            return None
        staged, found = copied
        try:
            version, is_new = ground.recorder.of_file(path, found, ground.time)
            if is_new:
                await ground.keep_file(staged.names, found.content, path, version.id)
                await ground.index.record([version])
            ground.local.put(path, _seen(version, found))
            await ground.save()
        finally:
            await ground.tree.discard(staged)
        return version if is_new else None

    def note_damage(self, scan: Scan) -> Scan:
        """Leave out what a loss of power did to files; they are to be written again.

        A file that was written lately may be empty then, or be the one that was there before. Both
        have a time that the index knows; what people and programs write has another one.
        """
        damaged = {path for path, one in scan.changed.items() if self._is_damaged(path, one)}
        for path in damaged:
            found = scan.changed[path]
            self._ground.local.put(path, Seen(UNKNOWN, found.content, found.stat, found.young))
        changed = {path: one for path, one in scan.changed.items() if path not in damaged}
        return attrs.evolve(scan, changed=changed)

    def note_only(self, scan: Scan) -> Sequence[str]:
        """Take note of what changed without recording it; return the files that differ now."""
        ground, local = self._ground, self._ground.local
        for path, seen in scan.touched.items():
            local.put(path, seen)
        for path in (*scan.gone, *scan.left_out):
            local.drop(path)
        differing: list[str] = []
        for path, found in scan.changed.items():
            version, is_new = ground.recorder.of_file(path, found, ground.time)
            before = local.get(path)
            name = UNKNOWN if before is None else before.version
            name = name if is_new else version.id
            local.put(path, Seen(name, found.content, found.stat, found.young))
            if is_new:
                differing.append(path)
        return differing

    def _is_damaged(self, path: str, found: Found) -> bool:
        seen, graph = self._ground.local.get(path), self._ground.index.graph
        versions = graph.versions(path)
        if not found.stat.size:
            times = {one.mtime for one in versions if one.size}
            return found.stat.mtime in times
        if seen is None or seen.version not in graph:
            return False
        return any(
            one.content == found.content
            and one.mtime == found.stat.mtime
            and one.id != seen.version
            and [same.id for same in graph.common([one.id], [seen.version])] == [one.id]
            for one in versions
        )

    async def take(self, scan: Scan, *, allowed: bool = False) -> Sequence[Version]:
        """Record what a scan found, and return the new versions.

        The index is written first, and what is known of the disk last: a crash in between makes
        the same versions again.

        Args:
            scan: what was found.
            allowed: whether a person allowed that many files are deleted.

        Raises: TooMany, and then nothing was recorded; IndexBroken; OSError.
        """
        ground, local = self._ground, self._ground.local
        self._check(scan, allowed=allowed)
        for path, seen in scan.touched.items():
            local.put(path, seen)
        for path in scan.left_out:
            local.drop(path)
        new: list[Version] = []
        for some in _batches(sorted(scan.changed.items())):
            new += await self._take_some(some)
        gone = [ground.recorder.of_gone(path, ground.time) for path in scan.gone]
        deleted = [version for version in gone if version is not None]
        await ground.index.record(deleted)
        for path in scan.gone:
            local.drop(path)
        await ground.save()
        return [*new, *deleted]

    def _check(self, scan: Scan, *, allowed: bool) -> None:
        """Raises: TooMany. Notes what is deleted otherwise."""
        local = self._ground.local
        here = {found.content for found in scan.changed.values()}
        paths = [path for path in scan.gone if local[path].content not in here]
        paths += [
            path
            for path, found in scan.changed.items()
            if not found.stat.size and path in local and local[path].stat.size
        ]
        emptied = len(paths) == len(local) > 1 and not scan.files
        if emptied and not allowed:
            raise TooMany(paths)
        if paths:
            self._deletions.check(paths, len(local), allowed=allowed)

    async def _take_some(self, changed: Sequence[tuple[str, Found]]) -> Sequence[Version]:
        ground = self._ground
        new: list[_New] = []
        for path, found in changed:
            version, is_new = ground.recorder.of_file(path, found, ground.time)
            if is_new:
                new.append(_New(version, found))
            else:
                ground.local.put(path, _seen(version, found))
        new = await self._kept(new)
        await ground.index.record([one.version for one in new])
        for one in new:
            ground.local.put(one.version.path, _seen(one.version, one.found))
        return [one.version for one in new]

    async def _kept(self, new: Sequence[_New]) -> list[_New]:
        """Keep texts, so that edits made apart can be merged; leave out what changed meanwhile."""
        ground, history = self._ground, self._ground.history
        texts = [one for one in new if one.found.text and one.found.content not in history]
        read = await read_whole_files(
            ground.tree, [(one.version.path, one.found.stat) for one in texts]
        )
        data = {
            one.version.path: part
            for one, part in zip(texts, read, strict=True)
            if part is not None and content_id(part) == one.found.content
        }
        changed = {one.version.path for one in texts} - data.keys()
        kept = [one for one in new if one.version.path not in changed]
        await ground.keep([keep for one in kept for keep in self._to_keep(one, data)])
        return kept

    def _to_keep(self, one: _New, data: Mapping[str, bytes]) -> Iterator[ToKeep]:
        """Yield what to keep of a text: what it is, and what it was, where that is here."""
        path = one.version.path
        if not one.found.text:
            return
        yield ToKeep(one.found.content, data.get(path, b""), path, one.version.id)
        before = self._ground.local.get(path)
        if before is not None and before.content in self._ground.history:
            yield ToKeep(before.content, b"", path, before.version, "replaced")


def _batches(
    changed: Sequence[tuple[str, Found]],
) -> Iterator[Sequence[tuple[str, Found]]]:
    """Yield files in parts: so many, and texts of about so many bytes."""
    some: list[tuple[str, Found]] = []
    size = 0
    for path, found in changed:
        more = found.stat.size if found.text else 0
        if len(some) == _BATCH or (some and size + more > _BYTES):
            yield some
            some, size = [], 0
        some.append((path, found))
        size += more
    if some:
        yield some


def _seen(version: Version, found: Found) -> Seen:
    return Seen(version.id, found.content, found.stat, found.young)
