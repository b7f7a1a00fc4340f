"""What the tests of the index share: versions, changes as the library writes them, a shelf."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from automerge.core import ROOT, Document, ScalarType

from clawmatrix_knowledge.index.changes import BASE, FILES
from clawmatrix_knowledge.index.format import key_of, value_of
from clawmatrix_knowledge.versions import ContentId, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MemoryShelf", "Writer", "version"]


def version(path: str, text: str, *parents: Version, author: str = "home") -> Version:
    content = ContentId(hashlib.sha256(text.encode()).hexdigest())
    ids = tuple(sorted(parent.id for parent in parents))
    return Version(path, "text", content, parents=ids, size=len(text), author=author)


class Writer:
    """A document of the library, and the changes that it writes."""

    def __init__(self, actor: bytes | None = None) -> None:
        self.document = Document.load(BASE)
        self.document.set_actor(actor or os.urandom(16))

    def write(self, *versions: Version) -> bytes:
        """Return the bytes of a change that puts versions into the map."""
        return self.put(*((key_of(one), value_of(one)) for one in versions))

    def put(self, *entries: tuple[str, str]) -> bytes:
        before = self.document.get_heads()
        found = self.document.get(ROOT, FILES)
        assert found is not None
        with self.document.transaction() as transaction:
            for key, text in entries:
                transaction.put(found[1], key, ScalarType.Str, text)
        (change,) = self.document.get_changes(before)
        return change.raw_bytes


class MemoryShelf:
    """A shelf in memory; ``fails`` makes writing fail, and ``is_gone`` reading."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.fails = self.is_gone = False

    def read(self, name: str) -> bytes:
        if self.is_gone:
            raise OSError(116, "is another folder than before")
        return self.files.get(name, b"")

    def append(self, name: str, data: bytes) -> None:
        self._write(name, self.read(name) + data)

    def replace(self, name: str, data: bytes) -> None:
        self._write(name, data)

    def set_aside(self, name: str) -> str:
        self.files[f"{name}.damaged-1"] = self.files.pop(name)
        return f"{name}.damaged-1"

    def names(self) -> Sequence[str]:
        return sorted(self.files)

    def _write(self, name: str, data: bytes) -> None:
        if self.fails:
            raise OSError(28, "No space left on device")
        self.files[name] = data
