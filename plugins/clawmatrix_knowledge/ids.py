"""What names the bytes of a file."""

from __future__ import annotations

import hashlib
from typing import Final

from clawmatrix_knowledge.versions import ContentId

__all__ = ["BLOCK", "ContentHasher", "content_id", "id_of_blocks"]

BLOCK: Final = 1024**2
"""Bytes of a block. What is longer is named by the digests of its blocks."""


class ContentHasher:
    """Finds the id of bytes that come in parts."""

    def __init__(self) -> None:
        self._block = hashlib.sha256()
        self._blocks: list[bytes] = []
        self._in_block = 0
        self.size = 0

    def update(self, data: bytes) -> None:
        """Add bytes."""
        view = memoryview(data)
        self.size += len(view)
        while view:
            if self._in_block == BLOCK:
                self._end_block()
            part = view[: BLOCK - self._in_block]
            self._block.update(part)
            self._in_block += len(part)
            view = view[len(part) :]

    @property
    def blocks(self) -> tuple[bytes, ...]:
        """The digests of the blocks so far, the last of which may still grow."""
        return (*self._blocks, self._block.digest())

    def digest(self) -> ContentId:
        """Return the id of the bytes so far."""
        if not self._blocks:
            return ContentId(self._block.hexdigest())
        return id_of_blocks(self.blocks)

    def _end_block(self) -> None:
        self._blocks.append(self._block.digest())
        self._block = hashlib.sha256()
        self._in_block = 0


def content_id(data: bytes) -> ContentId:
    """Return the id of bytes."""
    hasher = ContentHasher()
    hasher.update(data)
    return hasher.digest()


def id_of_blocks(blocks: tuple[bytes, ...] | list[bytes]) -> ContentId:
    """Return the id of bytes, given the digests of their blocks, of which there are two or more."""
    return ContentId("b" + hashlib.sha256(b"".join(blocks)).hexdigest())
