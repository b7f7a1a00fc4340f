"""Settling paths that have several live versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_knowledge.ids import content_id
from clawmatrix_knowledge.merging.classes import TEXT_BYTES
from clawmatrix_knowledge.merging.resolve import Missing, Resolution, give_way, resolve
from clawmatrix_knowledge.syncing.ground import ToKeep

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clawmatrix_knowledge.syncing.ground import Ground
    from clawmatrix_knowledge.versions import ContentId, Version

__all__ = ["Resolver", "Settled"]


@attrs.frozen
class Settled:
    """What became of some paths.

    Attributes:
        new: versions that were recorded.
        missing: contents that are needed first, by the path that waits for them.
    """

    new: Sequence[Version]
    missing: dict[str, ContentId]


class Resolver:
    """Merges, and records what comes of it. All nodes do so, with the same result.

    Args:
        ground: the workspace.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def settle(self, paths: Iterable[str], clashes: Iterable[Version]) -> Settled:
        """Settle paths with several live versions, and files that are where a folder is.

        Raises: IndexBroken, OSError.
        """
        new: list[Version] = []
        missing: dict[str, ContentId] = {}
        for path in paths:
            try:
                resolution = await self._resolved(path)
            except Missing as error:
                missing[path] = error.content
                continue
            new += await self._record(resolution)
        for version in clashes:
            new += await self._record(give_way(version))
        return Settled(new, missing)

    async def _resolved(self, path: str) -> Resolution:
        """Merge, and read what is asked for, until there is a result."""
        graph = self._ground.index.graph
        known: dict[ContentId, bytes] = {}

        def read(content: ContentId) -> bytes:
            if content not in known:
                raise Missing(content)
            return known[content]

        while True:
            try:
                return resolve(graph.live(path), graph, read, content_id)
            except Missing as error:
                content = error.content
            try:
                known[content] = await self._ground.sources.whole(content, TEXT_BYTES)
            except KeyError:
                raise Missing(content) from None

    async def _record(self, resolution: Resolution) -> Sequence[Version]:
        """Keep the bytes, which are nowhere else, and then record the versions."""
        ground = self._ground
        by_content = {one.content: one for one in resolution.versions}
        await ground.keep(
            [
                ToKeep(content, data, by_content[content].path, by_content[content].id)
                for content, data in resolution.contents.items()
            ]
        )
        time = ground.time
        new = [
            attrs.evolve(one, author=one.author, time=one.time or time)
            for one in resolution.versions
            if one.id not in ground.index.graph
        ]
        await ground.index.record(new)
        return new
