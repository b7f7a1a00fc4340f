"""Where the bytes of a content are, on this node."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from clawmatrix_knowledge.contents.history import WrongContent
from clawmatrix_knowledge.files.tree import Changed
from clawmatrix_knowledge.ids import ContentHasher

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from clawmatrix_knowledge.contents.history import History
    from clawmatrix_knowledge.files.placing import Staged
    from clawmatrix_knowledge.files.tree import StagedFile, Tree
    from clawmatrix_knowledge.syncing.local import Local
    from clawmatrix_knowledge.versions import ContentId

__all__ = ["Sources"]


class Sources:
    """Reads contents: those that are kept, those of files, and fetched ones.

    Attributes:
        fetched: bytes, or files below ``.clawmatrix``, that wait for their place and were checked.
        stale: files that were found to have other bytes than they are known to have.
    """

    def __init__(self, tree: Tree, history: History, local: Local) -> None:
        self._tree, self._history, self._local = tree, history, local
        self.fetched: dict[ContentId, Staged | bytes] = {}
        self.stale: set[str] = set()
        self._damaged: set[ContentId] = set()

    def has(self, content: ContentId) -> bool:
        """Say whether it can be read here, as far as is known."""
        if content in self.fetched or (content in self._history and content not in self._damaged):
            return True
        return any(path not in self.stale for path in self._local.paths_of(content))

    async def read(self, content: ContentId, offset: int = 0) -> AsyncGenerator[bytes]:
        """Yield the bytes, which are right only when it ends without an error.

        Raises: KeyError, where they are not here, or are other ones.
        """
        hasher = ContentHasher()
        async with aclosing(self._parts(content)) as parts:
            async for part in parts:
                before = hasher.size
                hasher.update(part)
                if hasher.size > offset:
                    yield part[max(0, offset - before) :]
        if hasher.digest() != content:
            self.stale.update(self._local.paths_of(content))
            raise KeyError(content)

    async def whole(self, content: ContentId, most: int) -> bytes:
        """Return the bytes, of a longer content the first ``most`` and one more.

        Raises: KeyError.
        """
        data = bytearray()
        async with aclosing(self.read(content)) as parts:
            async for part in parts:
                data += part
                if len(data) > most:
                    return bytes(data[: most + 1])
        return bytes(data)

    async def copy(self, content: ContentId) -> StagedFile:
        """Return a file that has the bytes. Raises: KeyError, OSError."""
        staged = await self._tree.stage()
        try:
            async for part in self.read(content):
                await staged.write(part)
        except BaseException:
            await self._tree.discard(staged)
            raise
        return staged

    async def _parts(self, content: ContentId) -> AsyncGenerator[bytes]:
        if content in self._history and content not in self._damaged:
            parts = self._history.read(content)
            try:
                while part := await self._tree.files.run(lambda: next(parts, b"")):
                    yield part
            except (WrongContent, OSError):
                self._damaged.add(content)
                raise KeyError(content) from None
            return
        fetched = self.fetched.get(content)
        if isinstance(fetched, bytes):
            yield fetched
            return
        if fetched is not None and fetched.names:
            async for part in self._tree.read_at(fetched.names):
                yield part
            return
        for path in sorted(self._local.paths_of(content)):
            if path not in self.stale:
                try:
                    async for part in self._tree.read(path, self._local[path].stat):
                        yield part
                except (Changed, OSError):
                    self.stale.add(path)
                    raise KeyError(content) from None
                return
        raise KeyError(content)
