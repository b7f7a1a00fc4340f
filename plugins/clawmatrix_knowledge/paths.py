"""Paths as they stand in the index.

Every node has to decide alike here, whatever its version of Unicode: nothing depends on a table
that grows. That names are in the form NFC is for whoever reads them from a disk.
"""

from __future__ import annotations

from typing import Final

__all__ = ["DEPTH", "NAME_BYTES", "OWN_FOLDER", "PATH_BYTES", "PathError", "check_path"]

OWN_FOLDER: Final = ".clawmatrix"
"""The name of the folders that are never synced, wherever they are."""
NAME_BYTES: Final = 255
PATH_BYTES: Final = 1024
DEPTH: Final = 64


class PathError(ValueError):
    """A path cannot stand in the index."""


def check_path(path: str) -> tuple[str, ...]:
    """Return the names of a path. Raises: PathError, where it is not written the one right way."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        raise PathError("is not UTF-8") from None
    if not path or size > PATH_BYTES:
        raise PathError(f"has {size} bytes; 1 to {PATH_BYTES} are taken")
    names = tuple(path.split("/"))
    if len(names) > DEPTH:
        raise PathError(f"is {len(names)} names deep; {DEPTH} is the most")
    for name in names:
        _check_name(name)
    return names


def _check_name(name: str) -> None:
    if name in ("", ".", ".."):
        raise PathError(f"has the name {name!r}")
    if len(name.encode()) > NAME_BYTES:
        raise PathError(f"has a name of more than {NAME_BYTES} bytes")
    if any(letter < " " or "\x7f" <= letter < "\xa0" for letter in name):
        raise PathError("has a control character")
    if name.lower() == OWN_FOLDER:
        raise PathError(f"has a folder {OWN_FOLDER}")
