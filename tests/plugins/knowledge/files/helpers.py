"""What other programs do to a workspace, on either file system."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clawmatrix_knowledge.files.port import Files
    from clawmatrix_knowledge.files.tree import Tree


def write(files: Files, path: str, data: bytes) -> None:
    """Write a file in place, or make it and its folders."""
    names = tuple(path.split("/"))
    for depth in range(1, len(names)):
        with suppress(FileExistsError):
            files.make_folder(names[:depth])
    how = "new" if files.stat(names) is None else "write"
    with files.open(names, "new" if how == "new" else "write") as handle:
        handle.truncate(0)
        handle.write(0, data)


def content(files: Files, path: str) -> bytes:
    """Return what a file holds."""
    with files.open(tuple(path.split("/"))) as handle:
        return handle.read(0, handle.stat().size)


def temporary(tree: Tree) -> list[str]:
    """Return what is below ``.clawmatrix/tmp``."""
    return [entry.name for entry in tree.files.list((".clawmatrix", "tmp"))]
