"""Files that were replaced or taken away: kept, and looked at again before they go.

What is not what was to be replaced is an edit that came in between, and is recorded. A program may
hold the file open and write to it still, so each is looked at once more after a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_knowledge.files.measuring import Found
from clawmatrix_knowledge.files.tree import place_key
from clawmatrix_knowledge.ids import ContentHasher
from clawmatrix_knowledge.merging.classes import is_text
from clawmatrix_knowledge.syncing.ground import parts_of
from clawmatrix_knowledge.syncing.local import UNKNOWN
from clawmatrix_knowledge.versions import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_knowledge.contents.history import Why
    from clawmatrix_knowledge.files.placing import Aside
    from clawmatrix_knowledge.files.port import Names, Stat
    from clawmatrix_knowledge.files.tree import Leftover
    from clawmatrix_knowledge.syncing.ground import Ground
    from clawmatrix_knowledge.versions import ContentId, VersionId

__all__ = ["LINGER", "Asides"]

LINGER: Final = 60.0
"""Seconds after which a file that was replaced is looked at again, and goes."""


@attrs.frozen
class _Lingering:
    aside: Aside
    path: str
    parents: tuple[VersionId, ...] | None
    due: float


class Asides:
    """Takes care of what was replaced.

    Args:
        ground: the workspace.
        records: whether edits are recorded; else they are only kept.
    """

    def __init__(self, ground: Ground, *, records: bool) -> None:
        self._ground, self._records = ground, records
        self._lingering: list[_Lingering] = []

    async def take(self, path: str, aside: Aside, before: VersionId, why: Why) -> Version | None:
        """Keep what was brought out; return the version that it is, where it was an edit.

        Args:
            path: the file.
            aside: what was in its place.
            before: which version it was thought to be, UNKNOWN for what is never an edit.
            why: why it was brought out.

        Raises: OSError, IndexBroken; then it stays where it is, for the next start.
        """
        if aside.stat.kind != "file":
            return None
        parents = None if before == UNKNOWN else (before,)
        version = await self._keep(aside.names, aside.stat, path, parents, why)
        due = self._ground.now() + LINGER
        self._lingering.append(_Lingering(aside, path, parents, due))
        return version

    async def look_again(self, *, all_of_them: bool = False) -> Sequence[Version]:
        """Look at those whose time has come, and let them go; return the edits."""
        now, found = self._ground.now(), list[Version]()
        due = [one for one in self._lingering if all_of_them or one.due <= now]
        for one in due:
            stat = await self._stat(one.aside.names)
            if stat is not None and not stat.is_as(one.aside.stat):
                version = await self._keep(one.aside.names, stat, one.path, one.parents, "replaced")
                found += [] if version is None else [version]
            self._lingering.remove(one)
            if stat is not None:
                await self._ground.tree.discard(one.aside)
        return found

    async def take_leftovers(self) -> Sequence[Version]:
        """Take in what a crash left, before anything else is written; return the edits."""
        ground = self._ground
        leftovers = await ground.tree.leftovers()
        if not leftovers:
            return []
        paths = {place_key(path): path for path in ground.index.graph.paths()}
        found: list[Version] = []
        for one in leftovers:
            if one.stat.kind != "file":
                continue
            version = await self._take_leftover(one, paths.get(one.key))
            found += [] if version is None else [version]
            await ground.tree.discard(one)
        return found

    async def _take_leftover(self, one: Leftover, path: str | None) -> Version | None:
        ground = self._ground
        if path is None:
            return await self._keep(one.names, one.stat, f"recovered-{one.key}", None, "replaced")
        seen = ground.local.get(path)
        before = None if seen is None else ground.index.graph.get(seen.version)
        parents: tuple[VersionId, ...] = ()
        if before is not None:
            # The file is noted as what it was before, or as what replaced that.
            stat = await self._stat_of(path)
            is_noted = seen is not None and stat is not None and stat.is_content_as(seen.stat)
            parents = before.parents if is_noted else (before.id,)
            parents = parents if len(parents) == 1 else ()
        return await self._keep(one.names, one.stat, path, parents, "replaced")

    async def _keep(
        self,
        names: Names,
        stat: Stat,
        path: str,
        parents: tuple[VersionId, ...] | None,
        why: Why,
    ) -> Version | None:
        """Keep the bytes, and record them where they are no version of the file yet.

        Args:
            parents: what an edit came from; None, where none is to be recorded.
        """
        ground = self._ground
        content, text = await self._measured(names)
        known = ground.index.graph.contents(path).get(content)
        found = Found(content, text, stat, young=True)
        version = None
        if known is None and parents is not None and self._records:
            version = ground.recorder.of_edit(path, found, parents, ground.time)
        name = version.id if version is not None else known[-1].id if known else None
        await ground.keep_file(names, content, path, name, why)
        if version is not None:
            await ground.index.record([version])
        return version

    async def _measured(self, names: Names) -> tuple[ContentId, bool]:
        """Return the id of a file's bytes, and whether they are text."""
        files = self._ground.tree.files

        def measure() -> tuple[ContentId, bool]:
            hasher = ContentHasher()
            for part in parts_of(files, names):
                hasher.update(part)
            return hasher.digest(), is_text(parts_of(files, names))

        return await files.run(measure)

    async def _stat(self, names: Names) -> Stat | None:
        files = self._ground.tree.files
        return await files.run(lambda: files.stat(names))

    async def _stat_of(self, path: str) -> Stat | None:
        try:
            return await self._ground.tree.stat(path)
        except Exception:  # noqa: BLE001 - then nothing is known of it
            return None
