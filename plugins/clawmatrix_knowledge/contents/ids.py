"""What names the bytes of a file."""

from __future__ import annotations

import hashlib
from typing import Final

from clawmatrix_knowledge.versions import ContentId

__all__ = ["BLOCK", "ContentHasher", "content_id", "id_of_blocks"]

BLOCK: Final = 1024**2
"""Bytes of a block. A content of more than one is named by the digests of its blocks."""


class ContentHasher:
    """Finds the id of bytes that come in pieces.

    Attributes:
        size: how many came.
        blocks: the digests of the whole blocks so far, 32 bytes each.
    """

    def __init__(self) -> None:
        self.size = 0
        self.blocks: list[bytes] = []
        self._block = hashlib.sha256()

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        view = memoryview(data)
        while view:
            room = BLOCK - self.size % BLOCK
            if self.size and room == BLOCK:
                self._end_block()
            part = view[:room]
            self._block.update(part)
            self.size += len(part)
            view = view[room:]

    def digest(self) -> ContentId:
        """Return the id of all that came."""
        last = self._block.digest()
        return id_of_blocks([*self.blocks, last]) if self.blocks else ContentId(last.hex())

    def all_blocks(self) -> list[bytes]:
        """Return the digests of all blocks, the last one too."""
        return [*self.blocks, self._block.digest()]

    def _end_block(self) -> None:
        self.blocks.append(self._block.digest())
        self._block = hashlib.sha256()


def content_id(data: bytes) -> ContentId:
    """Return the id of bytes."""
    hasher = ContentHasher()
    hasher.update(data)
    return hasher.digest()


def id_of_blocks(blocks: list[bytes]) -> ContentId:
    """Return the id of a content of more than one block, by the digests of its blocks."""
    return ContentId("b" + hashlib.sha256(b"".join(blocks)).hexdigest())
