"""A small history of one path, for tests: versions by id, and the texts of their contents."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from clawmatrix_knowledge.merging.folding import Missing
from clawmatrix_knowledge.merging.resolve import Resolution, resolve
from clawmatrix_knowledge.versions import ContentId, Kind, MergeClass, Version, VersionId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["History", "id_of"]


def id_of(data: bytes) -> ContentId:
    return ContentId(hashlib.sha256(data).hexdigest())


class History:
    """Versions of a path, and their contents."""

    def __init__(self, path: str = "notes.md", how: MergeClass = "lines") -> None:
        self.path, self.how = path, how
        self.versions: dict[VersionId, Version] = {}
        self.contents: dict[ContentId, bytes] = {}

    def write(
        self,
        text: bytes | None,
        *parents: Version,
        executable: bool = False,
        kind: Kind = "text",
        how: MergeClass | None = None,
    ) -> Version:
        """Record a version; a text of None is a deletion."""
        content = None if text is None else id_of(text)
        if content is not None and text is not None:
            self.contents[content] = text
        version = Version(
            self.path,
            "deleted" if text is None else kind,
            content,
            executable=executable,
            merge_class=how or self.how,
            parents=tuple(sorted(parent.id for parent in parents)),
        )
        return self.add(version)

    def add(self, version: Version) -> Version:
        self.versions[version.id] = version
        return version

    def live(self) -> list[Version]:
        named = {parent for version in self.versions.values() for parent in version.parents}
        return [v for v in self.versions.values() if v.id not in named and v.path == self.path]

    def text(self, version: Version) -> bytes | None:
        return None if version.content is None else self.contents[version.content]

    def read(self, content: ContentId) -> bytes:
        if content not in self.contents:
            raise Missing(content)
        return self.contents[content]

    def common(self, left: Sequence[VersionId], right: Sequence[VersionId]) -> Sequence[Version]:
        shared = self._above(left) & self._above(right)
        older = {up for one in shared for up in self._above([one]) if up != one}
        return [self.versions[one] for one in sorted(shared - older)]

    def resolve(self, *heads: Version) -> Resolution:
        """Resolve the heads, or all live versions, and record what comes out."""
        found = resolve(heads or self.live(), self, self.read, id_of)
        self.contents.update(found.contents)
        for version in found.versions:
            self.add(version)
        return found

    def _above(self, ids: Iterable[VersionId]) -> set[VersionId]:
        found, waiting = set[VersionId](), list(ids)
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += self.versions[one].parents
        return found
