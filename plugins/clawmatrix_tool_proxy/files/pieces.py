"""Files read in pieces, so that one of any size takes the same memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LINE", "PIECE", "is_binary", "pieces"]

PIECE: Final = 256 * 1024
"""Bytes that are read at a time."""
LINE: Final = 1024**2
"""Bytes of a line that are held; a longer line comes in several pieces."""
_LOOKED_AT: Final = 8192


def is_binary(start: bytes) -> bool:
    """Say whether a file that begins so is no text."""
    return b"\0" in start[:_LOOKED_AT]


def pieces(descriptor: int) -> Iterator[bytes]:
    """Yield what is in an open file, from where it stands, in pieces that end with a line.

    A piece has at most LINE + PIECE bytes. Only the last one, and those of a line that is longer
    than LINE, end within a line. Raises: OSError.
    """
    held = b""
    while more := os.read(descriptor, PIECE):
        end = more.rfind(b"\n") + 1
        if end:
            yield held + more[:end]
            held = more[end:]
        else:
            held += more
        if len(held) >= LINE:
            yield held
            held = b""
    if held:
        yield held
