"""What the parts of a workspace work on together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

from clawmatrix_knowledge.contents.history import Kept
from clawmatrix_knowledge.ids import BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clawmatrix_knowledge.contents.history import History, Why
    from clawmatrix_knowledge.files.port import Files, Names
    from clawmatrix_knowledge.files.tree import Tree
    from clawmatrix_knowledge.index.index import Index
    from clawmatrix_knowledge.syncing.local import Local, LocalStore
    from clawmatrix_knowledge.syncing.recording import Recorder
    from clawmatrix_knowledge.syncing.sources import Sources
    from clawmatrix_knowledge.versions import ContentId, VersionId

__all__ = ["Ground", "ToKeep", "parts_of"]


@attrs.frozen
class ToKeep:
    """Bytes to keep in the history, as ``History.keep`` takes them."""

    content: ContentId
    data: bytes = attrs.field(repr=False)
    path: str
    version: VersionId
    why: Why = "recorded"


@attrs.frozen
class Ground:
    """A workspace: what is on its disk, and what is known of it.

    Attributes:
        tree: the files.
        index: the versions.
        history: the kept contents.
        local: which versions the files are.
        store: keeps that.
        recorder: makes versions.
        sources: finds bytes.
        now: returns seconds since 1970.
    """

    tree: Tree
    index: Index
    history: History
    local: Local
    store: LocalStore
    recorder: Recorder
    sources: Sources
    now: Callable[[], float]

    @property
    def time(self) -> int:
        """Seconds since 1970."""
        return int(self.now())

    async def save(self) -> None:
        """Keep what is known of the files. It comes after the files, and after the index."""
        await self.tree.files.run(lambda: self.store.write(self.local))

    async def keep_file(
        self,
        names: Names,
        content: ContentId,
        path: str,
        version: VersionId | None,
        why: Why = "recorded",
    ) -> None:
        """Keep the bytes of a file in the history. Raises: WrongContent, OSError."""
        files, history = self.tree.files, self.history

        def keep() -> None:
            parts = parts_of(files, names)
            history.keep(content, parts, path=path, version=version, why=why)

        await files.run(keep)

    async def keep(self, some: Sequence[ToKeep]) -> None:
        """Keep contents in the history. Raises: WrongContent, OSError."""
        if not some:
            return
        files, history = self.tree.files, self.history
        by_content = {one.content: one for one in some}
        written = await files.run_all(
            [
                lambda one=one: (one.content, history.write(one.content, [one.data]))  # type: ignore[misc]
                for one in by_content.values()
            ]
        )
        sizes = dict(written)
        kept = [
            Kept(one.content, one.path, one.version, one.why, sizes[one.content], self.time)
            for one in some
        ]
        await files.run_all([partial(history.sync, folder) for folder in history.unsynced])
        await files.run(lambda: history.note(kept))


def parts_of(files: Files, names: Names) -> Iterator[bytes]:
    """Yield the bytes of a file. It blocks. Raises: OSError."""
    with files.open(names) as handle:
        at = 0
        while part := handle.read(at, BLOCK):
            yield part
            at += len(part)
