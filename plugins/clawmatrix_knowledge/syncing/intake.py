"""From what a scan found to versions in the index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_knowledge.files.scanning import Seen
from clawmatrix_knowledge.files.tree import Changed
from clawmatrix_knowledge.ids import content_id
from clawmatrix_knowledge.syncing.ground import ToKeep
from clawmatrix_knowledge.syncing.halts import TooMany

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_knowledge.files.measuring import Found
    from clawmatrix_knowledge.files.scanning import Scan
    from clawmatrix_knowledge.syncing.ground import Ground
    from clawmatrix_knowledge.syncing.halts import Deletions
    from clawmatrix_knowledge.versions import Version

__all__ = ["Intake"]

_BATCH = 500


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
        changed = sorted(scan.changed.items())
        for at in range(0, len(changed), _BATCH):
            new += await self._take_some(changed[at : at + _BATCH])
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
        kept: list[_New] = []
        keep: list[ToKeep] = []
        for one in new:
            if one.found.text:
                is_kept = one.found.content in self._ground.history
                data = b"" if is_kept else await self._read(one)
                if data is None:
                    continue
                keep.append(ToKeep(one.found.content, data, one.version.path, one.version.id))
            kept.append(one)
        await self._ground.keep(keep)
        return kept

    async def _read(self, one: _New) -> bytes | None:
        try:
            parts = [
                part async for part in self._ground.tree.read(one.version.path, one.found.stat)
            ]
        except (Changed, OSError):
            return None
        data = b"".join(parts)
        return data if content_id(data) == one.found.content else None


def _seen(version: Version, found: Found) -> Seen:
    return Seen(version.id, found.content, found.stat, found.young)
