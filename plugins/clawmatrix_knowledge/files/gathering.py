"""Reading many files at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from clawmatrix_knowledge.files.locating import Hindered, Locator
from clawmatrix_knowledge.ids import BLOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_knowledge.files.port import Files, Stat
    from clawmatrix_knowledge.files.tree import Tree

__all__ = ["read_whole_files"]


async def read_whole_files(
    tree: Tree, wanted: Sequence[tuple[str, Stat]]
) -> Sequence[bytes | None]:
    """Return the bytes of files, several of which are read at once.

    Args:
        tree: the workspace.
        wanted: paths, and what each file has to be.

    Returns:
        The bytes, in order; None for a file that is another one now, or that cannot be read.
    """
    ignores_case = tree.traits.ignores_case
    return await tree.files.run_all(
        [partial(_whole, tree.files, ignores_case, path, expected) for path, expected in wanted]
    )


def _whole(files: Files, ignores_case: bool, path: str, expected: Stat) -> bytes | None:
    try:
        names, _ = Locator(files, ignores_case=ignores_case).find(path)
        with files.open(names) as handle:
            if not handle.stat().is_content_as(expected):
                return None
            data = bytearray()
            while part := handle.read(len(data), BLOCK):
                data += part
                if len(data) > expected.size:
                    return None
            return bytes(data) if handle.stat().is_content_as(expected) else None
    except (Hindered, OSError):
        return None
