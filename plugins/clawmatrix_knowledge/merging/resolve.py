"""What all nodes make of the live versions of a path, each by itself and all alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_knowledge.merging.classes import TEXT_BYTES, stricter
from clawmatrix_knowledge.merging.folding import Ancestry, Folder, Missing
from clawmatrix_knowledge.merging.names import conflict_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clawmatrix_knowledge.versions import ContentId, Version

__all__ = ["Ancestry", "Missing", "Resolution", "copy_of", "give_way", "resolve"]


@attrs.frozen
class Resolution:
    """New versions that settle a path.

    Attributes:
        versions: the versions: that of the path, and conflict copies at paths of their own.
        contents: the bytes of contents that are new.
    """

    versions: Sequence[Version]
    contents: Mapping[ContentId, bytes] = attrs.field(factory=dict[str, bytes], repr=False)

    @property
    def copies(self) -> Sequence[Version]:
        """The conflict copies."""
        return [version for version in self.versions if not version.parents]


def resolve(
    heads: Sequence[Version],
    ancestry: Ancestry,
    read: Callable[[ContentId], bytes],
    hash_of: Callable[[bytes], ContentId],
) -> Resolution:
    """Return what becomes of several live versions of one path.

    The result depends on the versions alone: not on their order, on this node, or on a clock. An
    edit beats a deletion. Two edits merge by the stricter of their classes, given the ancestor
    that the index knows; those that do not merge are kept as copies at paths of their own.

    Args:
        heads: the live versions, two or more.
        ancestry: knows which versions they come from.
        read: returns the bytes of a content, of a large one the first ``TEXT_BYTES`` and one more;
            raises Missing.
        hash_of: returns the id of a content.

    Raises: Missing, where bytes are needed that are not here.
    """
    heads = sorted(heads, key=lambda head: head.id)
    parents = tuple(head.id for head in heads)
    edits = [head for head in heads if head.content is not None]
    if not edits:
        return Resolution([attrs.evolve(heads[0], parents=parents, size=0)])
    changed = _changed(edits, ancestry)
    how = stricter(edit.merge_class for edit in edits)
    settled = attrs.evolve(
        changed[0],
        parents=parents,
        executable=_executable(edits, ancestry),
        merge_class=how,
    )
    if len(changed) == 1 or not _is_text(changed, read):
        return Resolution([settled, *map(copy_of, changed[1:])])
    text, apart = Folder(ancestry, read, how).folded(changed)
    content = hash_of(text)
    settled = attrs.evolve(settled, content=content, size=len(text))
    return Resolution([settled, *map(copy_of, apart)], {content: text})


def copy_of(version: Version) -> Version:
    """Return a conflict copy of a version. One that was made, and deleted, is the same one."""
    return attrs.evolve(version, path=conflict_path(version.path, version.id), parents=())


def give_way(version: Version) -> Resolution:
    """Return what becomes of a file at whose path there is a folder as well.

    The folder stays, and the file goes to the path of its conflict copy.
    """
    gone = attrs.evolve(version, kind="deleted", content=None, parents=(version.id,), size=0)
    return Resolution([gone, copy_of(version)])


def _changed(edits: Sequence[Version], ancestry: Ancestry) -> list[Version]:
    """Leave out edits that have their ancestor's bytes still, where another one has not.

    What is left has one version of each content.
    """
    found: dict[ContentId | None, Version] = {}
    for edit in edits:
        others = [other.id for other in edits if other.content != edit.content]
        before = ancestry.common([edit.id], others) if others else ()
        if len(before) == 1 and before[0].content == edit.content:
            continue
        found.setdefault(edit.content, edit)
    return list(found.values()) or list({edit.content: edit for edit in edits[::-1]}.values())


def _is_text(edits: Sequence[Version], read: Callable[[ContentId], bytes]) -> bool:
    """Say whether all edits can be merged; their sizes in the index are only what was told."""
    if any(edit.kind != "text" or edit.merge_class == "binary" for edit in edits):
        return False
    return all(edit.content is None or len(read(edit.content)) <= TEXT_BYTES for edit in edits)


def _executable(edits: Sequence[Version], ancestry: Ancestry) -> bool:
    """Return the bit that most lately changed, as far as the index tells; else that it is set."""
    if len({edit.executable for edit in edits}) == 1:
        return edits[0].executable
    before = ancestry.common([edits[0].id], [edit.id for edit in edits[1:]])
    return not before[0].executable if len(before) == 1 else True
