"""The tools ``write`` and ``edit``."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clawmatrix_core import Bound
from clawmatrix_tool_proxy.files.errors import failure, refusal
from clawmatrix_tool_proxy.files.replacing import Replaced, alone_with
from clawmatrix_tool_proxy.files.roots import named
from clawmatrix_tool_proxy.files.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import JSON
    from clawmatrix_tool_proxy.files.folder import Folder
    from clawmatrix_tool_proxy.files.paths import RootPath
    from clawmatrix_tool_proxy.files.roots import Roots

__all__ = ["EDITED", "edit_file", "write_file"]

EDITED = Bound(
    8 * 1024**2,
    "bytes of a file that `edit` changes, before and after",
    fed_by="a member",
    when_full="the edit is refused, and the file stays as it was",
)


def write_file(roots: Roots, path: RootPath, data: bytes, *, parents: bool) -> JSON:
    """Make a file, or replace it.

    Args:
        roots: where it is.
        path: the file.
        data: all of it.
        parents: folders on the way are made.

    Raises: ToolError.
    """
    with _to_change(roots, path, parents=parents) as folder:
        name = named(path)
        found = folder.look(name)
        if found is not None:
            folder.require_plain(name, found)
        old = Replaced(folder, name, found)
        old.check()
        old.replace(data)
        return {"path": str(path), "size": len(data), "created": found is None}


def edit_file(roots: Roots, path: RootPath, old: str, new: str, *, every: bool) -> JSON:
    """Replace a text in a file by another one.

    Args:
        roots: where the file is.
        path: the file.
        old: the text that is there, exactly, once.
        new: the text to put there.
        every: the text may be there any number of times, and each is replaced.

    Raises: ToolError.
    """
    with _to_change(roots, path) as folder:
        name = named(path)
        descriptor = folder.file(name)
        try:
            file = Replaced(folder, name, os.fstat(descriptor))
            file.check()
            text = Text.read(path, _whole(path, descriptor))
        finally:
            os.close(descriptor)
        changed = text.replaced(old, new, every=every, most=EDITED)
        file.replace(changed.data, unchanged=True)
    told = {"replaced": changed.count, "lines": changed.lines, "size": len(changed.data)}
    return {"path": str(path), **told}


@contextmanager
def _to_change(roots: Roots, path: RootPath, *, parents: bool = False) -> Iterator[Folder]:
    """Open the folder of a file that is to be changed, while nobody else here changes the file."""
    with roots.visit(path.root) as visit:
        visit.require_write(path)
        with visit.folder(path.parent, make=parents) as folder, alone_with(path):
            yield folder


def _whole(path: RootPath, descriptor: int) -> bytes:
    try:
        found = bytearray()
        while more := os.read(descriptor, EDITED + 1 - len(found)):
            found += more
    except OSError as error:
        raise failure(path, error) from None
    if len(found) > EDITED:
        raise refusal(path, "too_large", f"edit changes files of {EDITED.text} at most")
    return bytes(found)
