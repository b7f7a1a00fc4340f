"""What conflict copies are called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from clawmatrix_knowledge.paths import NAME_BYTES

if TYPE_CHECKING:
    from clawmatrix_knowledge.versions import VersionId

__all__ = ["conflict_path", "is_conflict_path"]

_MARK = re.compile(r"\.conflict-[0-9a-f]{8}(?=\.|$)")
_ENDING: Final = 64
"""Bytes of the longest ending that is kept behind the mark."""


def conflict_path(path: str, version: VersionId) -> str:
    """Return where the copy of a version goes: ``notes.md`` is ``notes.conflict-1f2e3d4c.md``.

    It is made of the path and the version alone. The copy of a copy has one mark, its own.
    """
    folder, slash, name = path.rpartition("/")
    name = _MARK.sub("", name) or name
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > _ENDING:
        stem, dot, ending = name, "", ""
    mark = f".conflict-{version[:8]}"
    room = NAME_BYTES - len(f"{mark}{dot}{ending}".encode())
    kept = stem.encode()[:room].decode(errors="ignore")
    return f"{folder}{slash}{kept}{mark}{dot}{ending}"


def is_conflict_path(path: str) -> bool:
    """Say whether a path is that of a conflict copy."""
    return _MARK.search(path.rpartition("/")[2]) is not None
