"""What is kept of the document on the disk: a snapshot, and the changes since."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LOG", "SNAPSHOT", "Shelf", "Store", "Stored"]

SNAPSHOT: Final = "knowledge.automerge"
"""The file of the snapshot: a plain Automerge document."""
LOG: Final = "knowledge.log"
_HEAD: Final = 8
_ALONE: Final = 256 * 1024
"""Bytes of changes that are not worth a snapshot."""


class Shelf(Protocol):
    """A folder whose files survive a crash whole. Its functions block. They raise OSError."""

    def read(self, name: str) -> bytes:
        """Return what a file holds, nothing where there is none."""
        ...

    def append(self, name: str, data: bytes) -> None:
        """Add to a file; on return it is on the disk. After a crash a part of it may be there."""
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Put other bytes into a file; on return they are on the disk. A crash leaves either."""
        ...

    def set_aside(self, name: str) -> str:
        """Give a file another name, and return that."""
        ...


@attrs.frozen
class Stored:
    """What was read.

    Attributes:
        snapshot: the document, empty where there is none.
        changes: the changes since, in order.
        torn: bytes at the end of the log that are not whole, and were left out.
    """

    snapshot: bytes = attrs.field(repr=False)
    changes: Sequence[bytes] = attrs.field(repr=False)
    torn: int


class Store:
    """Reads and writes the two files. Its functions block. They raise OSError.

    Args:
        shelf: where they are.
        snapshot: the name of the file of the snapshot.
        log: the name of the file of the changes.
    """

    def __init__(self, shelf: Shelf, *, snapshot: str = SNAPSHOT, log: str = LOG) -> None:
        self._shelf = shelf
        self._names = snapshot, log
        self._log = self._snapshot = 0

    def read(self) -> Stored:
        """Read what there is; what is torn off the log goes, so that more can be added."""
        snapshot, log = map(self._shelf.read, self._names)
        changes, good = _frames(log)
        if good < len(log):
            self._shelf.replace(self._names[1], log[:good])
        self._snapshot, self._log = len(snapshot), good
        return Stored(snapshot, changes, len(log) - good)

    def add(self, changes: Sequence[bytes]) -> None:
        """Keep changes; on return they are on the disk."""
        if changes:
            data = b"".join(map(_frame, changes))
            self._shelf.append(self._names[1], data)
            self._log += len(data)

    @property
    def wants_snapshot(self) -> bool:
        """Whether there are so many changes that a snapshot is due."""
        return self._log > max(_ALONE, self._snapshot)

    def put_snapshot(self, document: bytes) -> None:
        """Put a snapshot in the place of the last one and of all changes.

        A crash in between leaves changes that the snapshot has as well, which does no harm.
        """
        self._shelf.replace(self._names[0], document)
        self._snapshot = len(document)
        self._shelf.replace(self._names[1], b"")
        self._log = 0

    def set_snapshot_aside(self) -> str:
        """Give the snapshot another name, as it cannot be read, and return that."""
        self._snapshot = 0
        return self._shelf.set_aside(self._names[0])


def _frame(change: bytes) -> bytes:
    return len(change).to_bytes(4, "big") + zlib.crc32(change).to_bytes(4, "big") + change


def _frames(log: bytes) -> tuple[list[bytes], int]:
    """Return the whole changes of a log, and where they end."""
    found: list[bytes] = []
    at = 0
    while at + _HEAD <= len(log):
        size = int.from_bytes(log[at : at + 4], "big")
        change = log[at + _HEAD : at + _HEAD + size]
        if len(change) < size or zlib.crc32(change).to_bytes(4, "big") != log[at + 4 : at + _HEAD]:
            break
        found.append(change)
        at += _HEAD + size
    return found, at
