"""A large content of which some blocks are here. It outlives restarts.

Which blocks are here is not written down: after a restart those count whose bytes are right.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from clawmatrix_knowledge.contents.wire import (
    BLOCK_COUNT,
    RANGES,
    WrongBytes,
    check_list,
    length_of,
)
from clawmatrix_knowledge.files.placing import Staged
from clawmatrix_knowledge.ids import BLOCK
from clawmatrix_knowledge.paths import OWN_FOLDER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from clawmatrix_knowledge.files.port import Files, Names
    from clawmatrix_knowledge.versions import ContentId

__all__ = ["PARTIAL", "Partial", "drop_partials"]

PARTIAL: Final[Names] = (OWN_FOLDER, "partial")


class _List(msgspec.Struct, frozen=True, array_like=True):
    size: int
    digests: bytes


class Partial:
    """The blocks of one content.

    Args:
        files: the file system of the workspace.
        content: its id.

    Attributes:
        size: its bytes, 0 as long as no list is known.
        blocks: the digests of its blocks.
    """

    def __init__(self, files: Files, content: ContentId) -> None:
        self._files, self._content = files, content
        self._data: Names = (*PARTIAL, content)
        self._list: Names = (*PARTIAL, f"{content}.blocks")
        self.size = 0
        self.blocks: Sequence[bytes] = ()
        self._missing: set[int] = set()

    @property
    def left(self) -> int:
        """How many blocks are missing; all there could be, as long as no list is known."""
        return len(self._missing) if self.blocks else BLOCK_COUNT + 1

    async def resume(self) -> None:
        """Look what is here of an earlier time. Raises: OSError."""
        if not await self._files.run(self._read_list):
            return
        for number, digest in enumerate(self.blocks):
            if await self._files.run(lambda at=number: self._digest(at)) == digest:  # type: ignore[misc]
                self._missing.discard(number)

    async def begin(self, size: int, blocks: Sequence[bytes]) -> None:
        """Note the blocks of the content, which were checked.

        The size is what a peer says. Only the last block proves it, so until that is here another
        peer may say otherwise. Raises: WrongBytes; OSError.
        """
        if not self.blocks:
            self.size, self.blocks = size, blocks
            self._missing = set(range(len(blocks)))
            await self._files.run(self._make)
        elif size != self.size:
            if len(blocks) - 1 not in self._missing:
                raise WrongBytes(f"{self._content[:12]} has {self.size} bytes, not {size}")
            self.size = size
            await self._files.run(self._write_list)

    async def reuse(self, base: AsyncIterator[bytes]) -> None:
        """Take the blocks that another content has too, wherever it has them. Raises: OSError."""
        wanted: dict[bytes, list[int]] = {}
        for number in self._missing:
            wanted.setdefault(self.blocks[number], []).append(number)
        data = bytearray()
        async for part in base:
            data += part
            while len(data) >= BLOCK:
                await self._reuse(bytes(data[:BLOCK]), wanted)
                del data[:BLOCK]
        await self._reuse(bytes(data), wanted)

    def ranges(self) -> Sequence[tuple[int, int]]:
        """Return the runs of blocks that are missing, as many as may be asked for at once."""
        runs: list[tuple[int, int]] = []
        for number in sorted(self._missing):
            if runs and sum(runs[-1]) == number:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            elif len(runs) == RANGES:
                break
            else:
                runs.append((number, 1))
        return runs

    async def put(self, number: int, block: bytes) -> None:
        """Take a block. Raises: WrongBytes; OSError."""
        if hashlib.sha256(block).digest() != self.blocks[number]:
            raise WrongBytes(f"block {number} of {self._content[:12]} has other bytes")
        await self._files.run(lambda: self._write(number, block))
        self._missing.discard(number)

    async def finish(self) -> Staged:
        """Return the file, once it has all of the blocks. Raises: OSError.

        What says which blocks it has stays beside it until ``drop_partials``: after a crash the
        file is found again.
        """

        def cut() -> None:
            with self._files.open(self._data, "write") as handle:
                if handle.stat().size != self.size:  # a peer had told another size
                    handle.truncate(self.size)

        await self._files.run(cut)
        return Staged(self._data)

    async def _reuse(self, block: bytes, wanted: dict[bytes, list[int]]) -> None:
        for number in wanted.pop(hashlib.sha256(block).digest(), ()):
            await self.put(number, block)

    # --- files

    def _read_list(self) -> bool:
        try:
            with self._files.open(self._list) as handle:
                told = msgspec.msgpack.decode(handle.read(0, handle.stat().size), type=_List)
            self.blocks = check_list(self._content, told.size, told.digests)
            if self._files.stat(self._data) is None:
                raise FileNotFoundError(self._content)
        except (OSError, msgspec.MsgspecError, WrongBytes):
            self.blocks = ()
            return False
        self.size = told.size
        self._missing = set(range(len(self.blocks)))
        return True

    def _digest(self, number: int) -> bytes | None:
        try:
            with self._files.open(self._data) as handle:
                block = handle.read(number * BLOCK, length_of(number, self.size))
        except FileNotFoundError:
            return None
        return hashlib.sha256(block).digest()

    def _make(self) -> None:
        with suppress(FileExistsError):
            self._files.make_folder(PARTIAL, 0o700)
        for names in (self._list, self._data):
            with suppress(FileNotFoundError):
                self._files.unlink(names)
        with self._files.open(self._data, "new") as handle:
            handle.truncate(self.size)
        self._write_list()

    def _write_list(self) -> None:
        told = msgspec.msgpack.encode(_List(self.size, b"".join(self.blocks)))
        is_new = self._files.stat(self._list) is None
        with self._files.open(self._list, "new" if is_new else "write") as handle:
            handle.truncate(0)
            handle.write(0, told)
            handle.sync()

    def _write(self, number: int, block: bytes) -> None:
        with self._files.open(self._data, "write") as handle:
            handle.write(number * BLOCK, block)


def drop_partials(files: Files, wanted: Collection[ContentId]) -> None:
    """Remove what is here of contents that nobody wants any more. Blocks. Raises: OSError."""
    if files.stat(PARTIAL) is None:
        return
    names = {entry.name for entry in files.list(PARTIAL)}
    for name in names:
        content = name.removesuffix(".blocks")
        if content not in wanted or content not in names:
            files.unlink((*PARTIAL, name))
