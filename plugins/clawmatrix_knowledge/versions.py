"""A version of a file: what it is, and which versions it replaces. Values only.

A version is written once and never changed. It is live while no other version names it as a
parent; a path with one live version is settled, and one with several waits for a merge.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Final, Literal, NewType, TypeAlias

import attrs

__all__ = ["MERGE_RULES", "ContentId", "Kind", "MergeClass", "Version", "VersionId"]

MERGE_RULES: Final = 1
"""The number of the rules by which edits are merged; nodes with other ones do not sync."""

VersionId = NewType("VersionId", str)
"""64 hexadecimal digits: SHA-256 over what decides about a version."""
ContentId = NewType("ContentId", str)
"""64 hexadecimal digits, SHA-256 of the bytes; of more than 1 MiB ``b`` and SHA-256 over the
digests of the blocks of 1 MiB each."""
Kind: TypeAlias = Literal["text", "binary", "deleted"]
MergeClass: TypeAlias = Literal["union", "lines", "strict", "binary"]


@attrs.frozen(slots=False)
class Version:
    """One version of one file.

    Attributes:
        path: where it is below the root, with ``/`` between its names.
        kind: whether it is text, other bytes, or the deletion of the file.
        content: what its bytes are; None for a deletion.
        executable: whether the file may be run.
        merge_class: how it merges with an edit made apart.
        parents: the versions that it replaces, sorted; of a new file none.
        rules: the number of the merge rules.
        size: how many bytes it has. This and what follows is shown, and decides nothing.
        mtime: when the file was changed, nanoseconds since 1970.
        author: the name of the node that recorded it.
        time: when it did, seconds since 1970.
    """

    path: str
    kind: Kind
    content: ContentId | None
    executable: bool = False
    merge_class: MergeClass = "lines"
    parents: tuple[VersionId, ...] = ()
    rules: int = MERGE_RULES
    size: int = attrs.field(default=0, eq=False)
    mtime: int = attrs.field(default=0, eq=False)
    author: str = attrs.field(default="", eq=False)
    time: int = attrs.field(default=0, eq=False)

    @cached_property
    def id(self) -> VersionId:
        """What names the version: equal for equal path, kind, content, bit, class and parents."""
        digest = hashlib.sha256()
        parts = (
            self.path,
            self.kind,
            self.content or "",
            "x" if self.executable else "-",
            self.merge_class,
            str(self.rules),
            *self.parents,
        )
        for part in parts:
            data = part.encode()
            digest.update(len(data).to_bytes(4, "big") + data)
        return VersionId(digest.hexdigest())
