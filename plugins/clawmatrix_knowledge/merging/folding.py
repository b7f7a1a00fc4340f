"""Several edits into one text, and several ancestors into one base."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from clawmatrix_knowledge.merging.lines import agree, merge_texts
from clawmatrix_knowledge.versions import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_knowledge.versions import ContentId, MergeClass, VersionId

__all__ = ["Ancestry", "Folder", "Missing"]

_DEPTH: Final = 16
"""How many ancestors of ancestors are merged for one base; below that they only share lines."""


class Missing(Exception):
    """The bytes of a version are needed and not here.

    Attributes:
        content: which they are.
    """

    def __init__(self, content: ContentId) -> None:
        super().__init__(f"the content {content} is not here")
        self.content = content


class Ancestry(Protocol):
    """What the index knows of where versions come from."""

    def common(self, left: Sequence[VersionId], right: Sequence[VersionId]) -> Sequence[Version]:
        """Return the newest versions from which both sides come, sorted by id.

        A version comes from itself. Of several versions on a side, each that came from one of
        them counts.
        """
        ...


class Folder:
    """Merges versions of one path.

    Args:
        ancestry: knows where they come from.
        read: returns the bytes of a content; raises Missing.
        how: the class by which they merge.
    """

    def __init__(
        self, ancestry: Ancestry, read: Callable[[ContentId], bytes], how: MergeClass
    ) -> None:
        self._ancestry, self._read, self._how = ancestry, read, how

    def folded(self, heads: Sequence[Version]) -> tuple[bytes, Sequence[Version]]:
        """Return one text of several, and the versions that could not be part of it.

        Args:
            heads: versions with a content, sorted by id; the first one is always part of it.

        Raises: Missing.
        """
        text, taken, apart = self._text(heads[0]), [heads[0].id], list[Version]()
        for head in heads[1:]:
            merged = self._with(text, taken, head)
            if merged is None:
                apart.append(head)
            else:
                text = merged
                taken.append(head.id)
        return text, apart

    def _with(self, text: bytes, taken: Sequence[VersionId], head: Version) -> bytes | None:
        other = self._text(head)
        if text == other:
            return text
        ancestors = self._ancestry.common(taken, [head.id])
        if ancestors:
            return merge_texts(self._base(ancestors, 0), text, other, self._how)
        return self._without_base(text, other)

    def _without_base(self, one: bytes, other: bytes) -> bytes | None:
        """Return what becomes of two texts that nobody knows to come from one."""
        if not one or not other:
            return one or other
        if self._how == "union":
            return merge_texts(agree(*sorted((one, other))), one, other, "union")
        longer, shorter = sorted((one, other), key=len, reverse=True)
        return longer if self._how != "binary" and shorter in longer else None

    def _base(self, ancestors: Sequence[Version], depth: int) -> bytes:
        """Return the one text from which all edits are said to come."""
        text, taken = self._text(ancestors[0]), [ancestors[0].id]
        for ancestor in ancestors[1:]:
            other = self._text(ancestor)
            shared = agree(*sorted((text, other)))
            before = self._ancestry.common(taken, [ancestor.id]) if depth < _DEPTH else ()
            if before:
                merged = merge_texts(self._base(before, depth + 1), text, other, "lines")
                text = shared if merged is None else merged
            else:
                text = shared
            taken.append(ancestor.id)
        return text

    def _text(self, version: Version) -> bytes:
        return b"" if version.content is None else self._read(version.content)
