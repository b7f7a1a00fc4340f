"""The tool ``read``: lines of a text, or bytes of any file, in pieces as they are read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_core import Bound
from clawmatrix_tool_proxy.files.errors import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_tool_proxy.files.paths import RootPath
    from clawmatrix_tool_proxy.files.roots import Visit

__all__ = ["PIECE", "OUTPUT", "Reading", "is_binary", "read_bytes", "read_lines"]

PIECE: Final = 256 * 1024
"""Bytes that are read at a time."""
OUTPUT = Bound(
    1024**2,
    "bytes of a file that one call of `read` gives unless it asks for more (`most`)",
    fed_by="a member",
    when_full="the result says where to read on",
)
_LOOKED_AT: Final = 8192


@attrs.define
class Reading:
    """What came of reading; it is complete once everything was taken.

    Attributes:
        size: bytes of the whole file.
        mtime: when it was changed, in seconds since 1970.
        lines: lines that were given; None for bytes.
        bytes: bytes that were given.
        next: where to read on, a line or a byte as was asked; None at the end of the file.
        line_cut: the last line that was given is longer than what was given of it.
    """

    size: int
    mtime: float
    lines: int | None = None
    bytes: int = 0
    next: int | None = None
    line_cut: bool = False


def is_binary(start: bytes) -> bool:
    """Say whether a file that begins so is no text."""
    return b"\0" in start[:_LOOKED_AT]


def read_bytes(visit: Visit, path: RootPath, told: list[Reading], *, offset: int, most: int) -> Iterator[bytes]:
    with visit.file(path) as descriptor:
        found = os.fstat(descriptor)
        reading = Reading(found.st_size, found.st_mtime)
